from datetime import date

from quartet.api.songs.calendar import calendar_of, month_of

FEBRUARY = date(2019, 2, 1)
STATES = {date(2019, 2, 7): "complete", date(2019, 2, 9): "failed"}


def state(day: int, **changes) -> str | None:
    """Return the state of a day of February 2019 in its calendar."""
    found = calendar_of(FEBRUARY, STATES, **{"yesterday": date(2019, 2, 11), **changes})
    return next(each.state for week in found.weeks for each in week if each.day.day == day)


def test_a_day_without_files_after_one_that_has_some_is_missing():
    assert [state(day) for day in (6, 7, 8, 9, 10, 11, 12)] == [
        None, "complete", "missing", "failed", "missing", "missing", None,
    ]  # fmt: skip


def test_weeks_begin_on_monday_and_hold_the_days_of_the_month_only():
    weeks = calendar_of(FEBRUARY, {}, date(2019, 2, 11)).weeks
    assert [len(week) for week in weeks] == [3, 7, 7, 7, 4]
    assert weeks[1][0].day.weekday() == 0


def test_nothing_is_missing_without_any_day():
    found = calendar_of(FEBRUARY, {}, date(2019, 2, 11))
    assert {each.state for week in found.weeks for each in week} == {None}


def test_the_calendar_ends_at_the_first_and_the_last_month():
    assert (calendar_of(FEBRUARY, {}, FEBRUARY).before, calendar_of(FEBRUARY, {}, FEBRUARY).after) == (
        "2019-01",
        "2019-03",
    )
    assert calendar_of(month_of("0001-01"), {}, FEBRUARY).before is None
    assert calendar_of(month_of("9999-12"), {}, FEBRUARY).after is None
