from datetime import UTC, datetime, timedelta

import pytest

from include.articles import run as runs
from include.articles.run import NoPlanError, Plan
from include.articles.settings import ArticleSettings
from include.core.errors import BadDataError

RUN_AT = datetime(2026, 3, 10, 12, tzinfo=UTC)


def plan(run_id="manual__1"):
    return Plan("the-post", run_id, RUN_AT, True, ArticleSettings(max_recs=5))


def test_a_plan_is_read_as_it_was_pinned(tmp_path):
    runs.pin(tmp_path, plan())
    found = runs.load(tmp_path)
    assert found.as_json() == plan().as_json()
    assert found.settings.max_recs == 5


def test_without_a_plan_the_next_step_is_told(tmp_path):
    with pytest.raises(NoPlanError, match="clear the run from its first task, create_model"):
        runs.load(tmp_path)


@pytest.mark.parametrize("text", ["2026-03-10T12:00:00Z", "2026-03-10T14:00:00+02:00", "2026-03-10T07:00:00-05:00"])
def test_an_instant_is_in_utc(text):
    assert runs.instant(text) == RUN_AT
    assert runs.instant(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["2026-03-10T12:00:00", "yesterday", "2026-13-10T12:00:00Z", ""])
def test_an_instant_without_offset_or_sense_is_refused(text):
    with pytest.raises(BadDataError, match="run_at: an instant"):
        runs.instant(text)


def test_folders_sort_by_instant_and_differ_by_run():
    names = [runs.folder_name(RUN_AT + timedelta(hours=hours), run) for hours in (0, 2) for run in ("a", "b:+/")]
    assert len(set(names)) == 4
    assert max(names[:2]) < min(names[2:])
    assert all(name.replace("-", "").isalnum() for name in names)


def test_old_folders_go_and_the_newest_stay(tmp_path):
    for number in range(6):
        (tmp_path / f"run{number}").mkdir()
        (tmp_path / f"run{number}" / "plan.json").write_text("{}")
    now = datetime.now(UTC).timestamp()
    assert runs.remove_old(tmp_path, 2, now - 60) == 0  # all changed since
    assert runs.remove_old(tmp_path, 2, now + 60) == 4
    left = [path.name for path in tmp_path.iterdir() if any(path.iterdir())]
    assert len(left) == 2
