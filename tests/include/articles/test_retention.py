"""Extracts and tables of runs: what no run reads goes."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.articles import layout, plan, retention
from include.articles.plan import Plan
from include.articles.settings import ArticleSettings
from include.core.retention import Cleaning, Removed, Sweeper
from include.core.storage import Store

NOW = time.time()
DAY = 86_400
KEY = "0123456789abcdef" * 2


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"12345")


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def day(ago: int, now: float) -> str:
    return f"{datetime.fromtimestamp(now, UTC).date() - timedelta(days=ago)}"


def test_extracts_of_dates_that_no_run_reads_go(tmp_path):
    now = NOW + 100 * DAY  # all was written 100 days ago
    fill(
        tmp_path,
        *(f"a/extracts/{day(ago, now)}/{KEY}-1-2-3-4.parquet" for ago in (59, 60, 61)),
        *(f"b/extracts/{day(ago, now)}/{KEY}-unreadable.txt" for ago in (61, 91)),
        f"a/extracts/{day(61, now)}/notes.parquet",
        f"a/extracts/2026-02-31/{KEY}-1-2-3-4.parquet",
        f"a/elsewhere/{day(61, now)}/{KEY}-1-2-3-4.parquet",
    )
    before, sites = names(tmp_path), {"a": 60, "b": 90}

    def clean(*, dry_run: bool = False) -> Removed:
        sweeper = Sweeper(tmp_path, dry_run)
        return retention.clean_extracts(tmp_path, sweeper, now, now - 60 * DAY, sites.__getitem__)

    assert clean(dry_run=True).objects == 2
    assert names(tmp_path) == before
    assert clean() == Removed(2, 10)
    gone = {f"a/extracts/{day(61, now)}/{KEY}-1-2-3-4.parquet", f"b/extracts/{day(91, now)}/{KEY}-unreadable.txt"}
    assert names(tmp_path) == [name for name in before if name not in gone]
    assert clean() == Removed()


def test_what_a_backfill_has_just_made_of_an_old_date_stays(tmp_path):
    fill(tmp_path, f"a/extracts/2020-01-01/{KEY}-1-2-3-4.parquet")
    assert retention.clean_extracts(tmp_path, Sweeper(tmp_path), NOW, NOW - DAY, lambda _: 60) == Removed()
    assert retention.clean_extracts(tmp_path, Sweeper(tmp_path), NOW, NOW + DAY, lambda _: 60) == Removed(1, 5)


def test_tables_of_old_runs_go_as_a_whole_and_the_newest_stay(tmp_path):
    folders = []
    for number in range(5):
        instant = datetime(2026, 3, 10 + number, tzinfo=UTC)
        files = layout.run_files(tmp_path, "a", instant, f"run-{number}")
        folders.append(files.folder.name)
        plan.pin(files, Plan("a", f"run-{number}", instant, True, ArticleSettings()))
        fill(files.folder, "events.parquet")
        time.sleep(0.01)  # the store tells their order
    fill(tmp_path, f"a/runs/{folders[0]}/late.json", "a/runs/mine/events.parquet", f"b/runs/{folders[0]}/plan.json")
    assert retention.clean_runs(tmp_path, Sweeper(tmp_path), NOW - DAY) == Removed()
    assert retention.clean_runs(tmp_path, Sweeper(tmp_path), NOW + DAY).objects == 4  # 0 is newest
    left = sorted(path.name for path in (tmp_path / "a/runs").iterdir())
    assert left == sorted([folders[0], folders[3], folders[4], "mine"])
    assert names(tmp_path / "b") == [f"runs/{folders[0]}/plan.json"]


def test_old_folders_go_and_the_newest_stay(tmp_path):
    for number in range(6):
        fill(tmp_path, f"run{number}/plan.json")
    now = time.time()
    assert retention.remove_old_runs(tmp_path, 2, now - 60) == 0  # all changed since
    assert retention.remove_old_runs(tmp_path, 2, now + 60) == 4
    assert len([path for path in tmp_path.iterdir() if any(path.iterdir())]) == 2


@pytest.mark.parametrize(
    ("sites", "variable", "kept"),
    [
        ("", {}, set()),
        ("a: {kind: drupal}\n", {}, {"a"}),
        ("[]", {}, {"a", "b"}),
        ("", {"days_of_data": "many"}, {"a", "b"}),
        ("", {"days": 1}, {"a", "b"}),
    ],
)
def test_extracts_stay_of_which_it_is_unknown_whether_runs_read_them(home, tmp_path, sites, variable, kept):
    (home / "sites.yaml").write_text(sites)
    now = time.time() + 100 * DAY
    fill(tmp_path, *(f"{site}/extracts/{day(61, now)}/{KEY}-1-2-3-4.parquet" for site in "ab"))
    cleaning = Cleaning(
        store=Store(tmp_path, f"file://{tmp_path}", {}),
        sweeper=Sweeper(tmp_path),
        now=now,
        model_versions=lambda name: pytest.fail(name),
        variable=lambda name: variable,
    )
    retention.clean_articles(cleaning)
    assert {name.partition("/")[0] for name in names(tmp_path) if "extracts" in name} == kept
