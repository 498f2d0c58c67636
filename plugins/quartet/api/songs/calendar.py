"""Calendar of the days of song plays; independent of HTTP."""

from calendar import Calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class CalendarDay:
    """A day of a calendar."""

    day: date
    state: str | None
    """State of a day with files; `missing`: a day between others that has none; `None`: nothing is expected."""
    has_files: bool


@dataclass(frozen=True)
class Month:
    """The days of a month, by week, Monday first."""

    first: date
    weeks: list[list[CalendarDay]]

    @property
    def before(self) -> str | None:
        """The month before, as `YYYY-MM`; `None` at the beginning of the calendar."""
        return None if self.first == date(1, 1, 1) else f"{self.first - timedelta(days=1):%Y-%m}"

    @property
    def after(self) -> str | None:
        """The month after, as `YYYY-MM`; `None` at the end of the calendar."""
        return None if (self.first.year, self.first.month) == (9999, 12) else f"{self.first + timedelta(days=32):%Y-%m}"


def month_of(text: str) -> date:
    """Return the first day of a month written as `YYYY-MM`; raises `ValueError`."""
    return date.fromisoformat(f"{text}-01")


def calendar_of(first: date, states: Mapping[date, str], yesterday: date) -> Month:
    """
    Build the calendar of a month.

    Args:
        first: first day of the month.
        states: state of each day that has files.
        yesterday: the last day that is expected to have files.
    """
    since = min(states, default=None)

    def described(day: date) -> CalendarDay:
        state = states.get(day)
        if state is None and since is not None and since < day <= yesterday:
            state = "missing"
        return CalendarDay(day, state, day in states)

    weeks = Calendar().monthdayscalendar(first.year, first.month)  # 0: a day of another month
    return Month(first, [[described(first.replace(day=number)) for number in week if number] for week in weeks])
