"""Names of submitted files."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

import pytest

from include.ratings.data.file_names import candidates, is_issued, was_issued_after


def test_six_fraction_digits_also_when_they_are_zero():
    assert next(candidates("train", datetime(2019, 5, 9, 16, 33, 25, 0, UTC))) == "train-2019-05-09T16:33:25.000000.txt"


def test_names_are_utc_and_a_microsecond_apart():
    summer = timezone(timedelta(hours=2))
    found = list(islice(candidates("predict", datetime(2019, 5, 9, 23, 59, 59, 999_999, summer)), 2))
    assert found == ["predict-2019-05-09T21:59:59.999999.txt", "predict-2019-05-09T22:00:00.000000.txt"]
    assert all(is_issued(name, "predict") for name in found)


@pytest.mark.parametrize(
    "name",
    [
        "train-2019-05-09T16:33:25.613314.txt",  # not a prediction
        "predict-2019-05-09T16:33:25.txt",
        "predict-2019-05-09T16:33:25.613314.txt\n",
        "../predict-2019-05-09T16:33:25.613314.txt",
        "predict-2019-05-09T16:33:25.613314.txt/..",
        "predict-\uff12019-05-09T16:33:25.613314.txt",
        "",
    ],
)
def test_any_other_form_was_not_issued(name):
    assert not is_issued(name, "predict")


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("predict-2026-11-29T04:02:00.000001.txt", True),
        ("predict-2026-11-29T04:00:59.000000.txt", False),  # a clock may be ahead
        ("predict-2026-11-28T04:00:00.000000.txt", False),
        ("predict-2026-13-29T04:00:00.000000.txt", False),
        ("predict-9.txt", False),
        ("z.txt", False),
    ],
)
def test_only_the_names_of_the_api_have_a_time(name, after):
    assert was_issued_after(name, "2026-11-29T04:00:00+00:00") is after
    assert not was_issued_after(name, "")
