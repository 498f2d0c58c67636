"""`/days` and `/days/{day}`: which days there are, and what is known of them."""

from datetime import UTC, date, datetime

import pytest

from include.core.storage import write_json, write_whole
from include.songs import failures, layout
from include.songs.rules import TooFewRowsError
from tests.plugins.api.songs.content import DAY, REPORT, URL, VERSION, fill


def test_without_anything_there_are_no_days(client, root):
    assert client.get("/days").json() == {"days": []}
    answer = client.get(URL)
    assert (answer.status_code, answer.json()["detail"]) == (404, "nothing is known of 2019-02-08")


@pytest.mark.parametrize(
    ("gone", "state"),
    [
        ([], "complete"),
        (["spins"], "complete"),
        (["counts"], "incomplete"),
        (["dataset", "spins", "listeners"], "incomplete"),
        (["dataset", "counts"], "fetched"),
        (["dataset", "counts", "spins"], "waiting"),
        (["dataset", "counts", "listeners"], "waiting"),
        (["dataset", "counts", "marker"], "waiting"),
    ],
)
def test_the_state_follows_from_the_files(client, root, gone, state):
    fill(root)
    write_json(layout.report_file(root, DAY), REPORT)
    marks = {
        "spins": layout.spins_file(root, DAY),
        "listeners": layout.listeners_file(root),
        "marker": layout.marker(root, DAY),
        "dataset": layout.dataset_folder(root, DAY) / "_SUCCESS",
        "counts": layout.counts_folder(root, DAY) / "_SUCCESS",
    }
    for name in gone:
        marks[name].unlink()
    expected = {"day": "2019-02-08", "state": state} | {
        "spins": "spins" not in gone,
        "listeners": not {"listeners", "marker"} & set(gone),
        "dataset": "dataset" not in gone,
        "counts": "counts" not in gone,
    }
    assert client.get("/days").json() == {"days": [expected]}
    report = client.get(URL).json()
    assert report | expected == report
    assert report["rows"] == (15 if state == "complete" else None)


def test_a_failed_day_is_told_with_its_error(client, full):
    now = datetime(2019, 2, 9, tzinfo=UTC)
    failures.record(full, DAY, TooFewRowsError("number of rows 6 < 100"), "manual__1", now)
    assert client.get("/days").json()["days"][0]["state"] == "complete"
    (layout.counts_folder(full, DAY) / "_SUCCESS").unlink()
    assert client.get("/days").json()["days"][0]["state"] == "failed"
    found = client.get(URL).json()
    assert (found["state"], found["error"]) == ("failed", "number of rows 6 < 100")


def test_a_marker_alone_is_a_day_that_waits(client, root):
    write_whole(layout.marker(root, DAY), b"")
    assert client.get(URL).json()["state"] == client.get("/days").json()["days"][0]["state"] == "waiting"


def test_a_complete_day_has_its_report(client, full):
    write_json(layout.report_file(full, DAY), REPORT)
    found = client.get(URL).json()
    assert {name: found[name] for name in REPORT if name not in ("spins", "listeners")} == {
        name: value for name, value in REPORT.items() if name not in ("spins", "listeners")
    }
    assert found["inputs"] == {"spins": None, "listeners": VERSION}


def test_what_was_never_reported_is_null(client, root):
    fill(root)
    found = client.get(URL).json()
    assert found["state"] == "complete"
    for name in ("engine", "run_id", "finished_at", "rows", "groups", "minrows", "metrics"):
        assert found[name] is None
    assert found["inputs"] == {"spins": None, "listeners": None}


def test_days_are_listed_newest_first(client, full):
    for day in (date(2018, 12, 31), date(2019, 3, 1), date(2019, 2, 9)):
        write_whole(layout.spins_file(full, day), b"PAR1")
    for query, expected in {
        "": ["2019-03-01", "2019-02-09", "2019-02-08", "2018-12-31"],
        "?limit=2": ["2019-03-01", "2019-02-09"],
        "?year=2019&month=2": ["2019-02-09", "2019-02-08"],
        "?year=2018": ["2018-12-31"],
        "?year=2017": [],
    }.items():
        assert [each["day"] for each in client.get(f"/days{query}").json()["days"]] == expected


@pytest.mark.parametrize("query", ["month=2", "year=2019&month=13", "year=0", "year=x", "limit=0", "limit=1001"])
def test_bad_questions_are_refused(client, root, query):
    assert client.get(f"/days?{query}").status_code == 422


def test_a_damaged_report_is_no_fault_of_the_caller(client, root):
    fill(root)
    write_whole(layout.report_file(root, DAY), b"{")
    assert client.get(URL).status_code == 503


def test_storage_that_cannot_be_read_is_told(client, root):
    root.parent.mkdir(parents=True)
    root.write_text("a file, not a folder")
    answer = client.get("/days")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
