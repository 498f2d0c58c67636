"""Request to a run: its day, its minimum number of rows, its engine."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from include.core.errors import BadDataError
from include.songs.layout import DayError
from include.songs.request import RunRequest, from_params
from include.songs.settings import SongSettings

DAY = date(2019, 2, 8)


def request(begin: datetime | None = None, **params: Any) -> RunRequest:
    return from_params({"day": "2019-02-08"} | params, "a", begin, SongSettings.load())


def test_the_day_is_that_of_the_param(home):
    assert request(datetime(2020, 1, 1, tzinfo=UTC)).day == DAY


@pytest.mark.parametrize(("hour", "day"), [(5, DAY), (4, date(2019, 2, 7))])  # midnight in New York is at 5
def test_otherwise_the_interval_begins_with_the_day_in_the_reporting_zone(home, hour, day):
    assert request(datetime(2019, 2, 8, hour, tzinfo=UTC), day=None).day == day


def test_a_run_with_neither_says_so(home):
    with pytest.raises(BadDataError, match=r'no interval: give it the param day, such as \{"day": "2019-02-08"\}'):
        request(day=None)


def test_a_param_that_is_no_day(home):
    with pytest.raises(DayError, match="found '2019-2-8'"):
        request(day="2019-2-8")


def test_params_win_over_settings(home, monkeypatch):
    monkeypatch.setenv("SONGS_ENGINE", "spark")
    monkeypatch.setenv("SONGS_MINROWS", "7")
    assert request(minrows=None, engine=None) == RunRequest("a", DAY, 7, "spark")
    assert request(minrows=0, engine="duckdb") == RunRequest("a", DAY, 0, "duckdb")
