"""Rules that do not depend on the engine: what a long play is, what a day is, how many rows there must be."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from include.core.errors import BadDataError

LONG_SECONDS = 30
"""A play is long if it lasted more than this."""
MINROWS = 100
"""Rows that a dataset must have, unless somebody says otherwise."""
REPORT_TIMEZONE = "America/New_York"


class TooFewRowsError(BadDataError):
    """The dataset would have fewer rows than asked for: it is not written."""


class SupersededError(Exception):
    """The listeners of a job were taken away: another job of the day has begun, and the outputs are its to make."""


def validate(rows: int, minrows: int) -> None:
    """
    Check the number of rows of a dataset.

    Raises:
        TooFewRowsError: there are fewer than *minrows*.
    """
    if rows < minrows:
        raise TooFewRowsError(f"job failed validation: number of rows {rows} < {minrows}")


def bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """Give the first instant of a calendar day in a time zone, and of the day after it, in UTC."""
    midnights = (datetime.combine(each, time(), ZoneInfo(zone)) for each in (day, day + timedelta(days=1)))
    first, end = (midnight.astimezone(UTC) for midnight in midnights)
    return first, end
