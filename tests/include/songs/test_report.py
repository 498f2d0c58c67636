"""The report of a day, and its metrics."""

import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from include.core.storage import write_json
from include.songs import layout, report
from include.songs.report import Report

DAY = date(2019, 2, 8)
JOB = {"rows_outside_day": 2, "without_listener": 3, "seconds": {"read": 1.5, "write": 2}}
REPORT = Report("2019-02-08", engine="duckdb", run_id="a", rows=10, groups=4, metrics=JOB)


def test_a_report_is_read_as_it_was_written_and_removed(tmp_path):
    assert report.read(tmp_path, DAY) is None
    report.write(tmp_path, DAY, REPORT)
    assert report.read(tmp_path, DAY) == REPORT
    assert json.loads(layout.report_file(tmp_path, DAY).read_bytes()) == REPORT.as_json()
    for _ in range(2):
        report.remove(tmp_path, DAY)
        assert report.read(tmp_path, DAY) is None


def test_fields_that_another_version_has_written_do_not_matter(tmp_path):
    write_json(layout.report_file(tmp_path, DAY), {"rows": 10, "colour": "red"})
    assert report.read(tmp_path, DAY) == Report("2019-02-08", rows=10)


def test_the_metrics_of_a_day():
    assert REPORT.values() == {
        "rows": 10, "groups": 4, "plays_outside_day": 2, "plays_without_listener": 3, "engine_seconds": 3.5,
    }  # fmt: skip
    assert REPORT.summary() == {"day": "2019-02-08", "engine": "duckdb", "rows": 10, "groups": 4}


def test_the_age_of_the_newest_completed_day(tmp_path):
    now, zone = datetime(2019, 2, 9, 17, tzinfo=UTC), ZoneInfo("America/New_York")
    assert report.lag(tmp_path, now, zone) == {}
    for day in (date(2018, 12, 31), DAY):
        write_json(layout.report_file(tmp_path, day), {})
    assert report.lag(tmp_path, now, zone) == {"data_lag_hours": pytest.approx(12)}
