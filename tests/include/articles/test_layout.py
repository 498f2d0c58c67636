"""Names of files: what is written is parsed back, and foreign names are not ours."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from include.articles import layout

RUN_AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
SOURCE = "enriched/good/2026/03/10/11/Stream-1.gz"


def test_folders_sort_by_instant_and_differ_by_run():
    names = [layout.run_name(RUN_AT + timedelta(hours=hours), run) for hours in (0, 2) for run in ("a", "b:+/")]
    assert len(set(names)) == 4
    assert max(names[:2]) < min(names[2:])
    assert all(name.replace("-", "").isalnum() for name in names)


@pytest.mark.parametrize("counts", [(1, 22, 3, 0), None])
def test_the_name_of_an_extract_is_parsed_back(counts):
    key = layout.extract_key(SOURCE, "state")
    name = layout.extract_name(key, counts)
    assert layout.parse_extract_name(name) == (key, counts)
    found = str(layout.extracts_folder(Path("root"), "a") / name).removeprefix("root/")
    assert layout.site_and_date_of_extract(found) == ("a", date(2026, 3, 10))


@pytest.mark.parametrize(
    "name", ["2026-03-10/notes.parquet", "a/2026-03-10", f"2026-03-10/{'0' * 32}-1-2-3.parquet", ""]
)
def test_a_foreign_name_is_not_an_extract(name):
    assert layout.parse_extract_name(name) is None


def test_extracts_lie_below_the_date_of_delivery():
    assert SOURCE.startswith(layout.delivery_folder(date(2026, 3, 10)) + "/")
    assert layout.extract_key(SOURCE, "state").startswith("2026-03-10/")


def test_the_files_of_a_run_are_known_by_their_names():
    files = layout.run_files(Path("root"), "a", RUN_AT, "run")
    for path in (files.plan, files.counts("fetch_data"), *files.artefacts):
        assert layout.site_and_run_of_file(str(path).removeprefix("root/")) == ("a", files.folder.name)
    assert layout.site_and_run_of_file("a/runs/mine/plan.json") is None
    assert len(set(files.artefacts)) == 10
