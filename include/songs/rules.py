"""Rules that hold for both engines: what a long play is, when a day begins and ends, how many rows it must have."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from include.core.errors import BadDataError

LONG_SECONDS = 30
"""A play is long if it lasted more than this."""
MINROWS = 100
"""Minimum number of rows of a dataset, unless a run or a setting names another."""
REPORT_TIMEZONE = "America/New_York"


class TooFewRowsError(BadDataError):
    """The dataset would have fewer rows than the minimum; it is not written."""


class SupersededError(Exception):
    """The job's listeners are gone: another job of the day has begun and will write the outputs."""


def validate(rows: int, minrows: int) -> None:
    """
    Check the number of rows of a dataset.

    Raises:
        TooFewRowsError: there are fewer than *minrows*.
    """
    if rows < minrows:
        raise TooFewRowsError(f"job failed validation: number of rows {rows} < {minrows}")


def bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """Return the first instant of a calendar day in a time zone, and that of the day after it, in UTC."""
    midnights = (datetime.combine(each, time(), ZoneInfo(zone)) for each in (day, day + timedelta(days=1)))
    first, end = (midnight.astimezone(UTC) for midnight in midnights)
    return first, end
