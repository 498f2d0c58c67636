"""One request a schema."""

from datetime import datetime

import pytest

from include.audience.schedule import last_year, requests
from include.core.errors import BadDataError

NOW = datetime(2026, 3, 4, 5, 6)


def params(**changed):
    return {"schemas": ["wh_a", "wh_b"], "start_time": None, "end_time": None, "request": {}} | changed


def test_the_last_full_year_has_all_its_seconds():
    assert last_year(NOW) == (datetime(2025, 1, 1), datetime(2025, 12, 31, 23, 59, 59))


def test_each_schema_has_a_request_and_a_run_of_its_own():
    found = requests(params(request={"countdown": 7}), NOW, "scheduled__1")
    assert [each["trigger_run_id"] for each in found] == ["scheduled__1__wh_a", "scheduled__1__wh_b"]
    assert found[0]["conf"] == {
        "target_schema": "wh_a",
        "start_time": "2025-01-01T00:00:00",
        "end_time": "2025-12-31T23:59:59",
        "countdown": 7,
    }


def test_times_may_be_given():
    found = requests(params(start_time="2020-01-01", end_time="2020-02-01 12:00:00"), NOW, "r")
    assert {(each["conf"]["start_time"], each["conf"]["end_time"]) for each in found} == {
        ("2020-01-01T00:00:00", "2020-02-01T12:00:00")
    }


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"schemas": []}, "AUDIENCE_CRON_SCHEMAS"), ({"start_time": "soon"}, "soon"), ({"request": {"x": 1}}, "found x")],
)
def test_what_is_wrong_is_told(wrong, reason):
    with pytest.raises(BadDataError, match=reason):
        requests(params(**wrong), NOW, "r")
