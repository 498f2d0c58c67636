"""
The column `post_time` in SQL, for each way in which tables store it.

MariaDB has types for times. SQLite has text, and so may MariaDB: `YYYY-MM-DD`, alone, or with `HH:MM` or `HH:MM:SS`
after a blank or `T`; what follows the seconds is ignored. Anything else is not a time, and its seconds are NULL.
"""

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import Any

from pymysql.constants import FIELD_TYPE
from sqlalchemy import ColumnElement, DateTime, Engine, String, and_, case, cast, func, not_, or_
from sqlalchemy import column as named

from include.audience.source.windows import Span, Windows
from include.core.database.bulk import seconds_since

TIMES = {FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP}
TEXTS = {
    FIELD_TYPE.VARCHAR, FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, FIELD_TYPE.TINY_BLOB, FIELD_TYPE.BLOB,
    FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB,
}  # fmt: skip
"""MariaDB's types of times, and of text, as its driver knows them."""
DATE, ZEROS = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*", ("????-00*", "????-??-00*")
"""Patterns of SQLite's GLOB: text that begins with a date, and dates whose month or day is 0."""
TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}.*)?)?$"
SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)
FIRST_YEAR = datetime(1000, 1, 1)
"""Before it, MariaDB has only the date 0000-00-00."""

Condition = ColumnElement[bool]


class PostTime(ABC):
    """The column `post_time` of a table."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @abstractmethod
    def within(self, span: Span) -> Condition:
        """Return the condition that a time is in a span; fractions of a second are cut off."""

    @abstractmethod
    def lost(self, windows: Windows) -> Condition:
        """Return the condition that a time is outside a range because it is not one, and may belong there."""

    @abstractmethod
    def value(self) -> ColumnElement[Any]:
        """Return the column as a time."""

    def seconds(self, start: datetime) -> ColumnElement[int]:
        """Return the whole seconds from *start*; NULL if the column has no time."""
        return seconds_since(self.engine, start, self.value())


def post_time(engine: Engine, type_code: Any) -> PostTime | None:
    """Return the column of a table by the driver's code of its type; `None` if the type holds no times."""
    if engine.dialect.name == "sqlite":
        return SQLiteTime(engine)
    if type_code in TIMES:
        return MariaTime(engine)
    return MariaText(engine) if type_code in TEXTS else None


class MariaTime(PostTime):
    """DATETIME, TIMESTAMP or DATE."""

    def value(self) -> ColumnElement[Any]:
        """Return the column."""
        return named("post_time", DateTime())

    def within(self, span: Span) -> Condition:
        """Return the condition that a time is in a span."""
        time = self.value()
        return and_(time >= span.first, time < (span.last + SECOND if span.closed else span.last))

    def lost(self, windows: Windows) -> Condition:
        """Return the condition for no date, or one with day or month 0 that an index has before the range."""
        time, start = self.value(), windows.start
        month = datetime(start.year, start.month, 1)
        before = [
            and_(time > first - MICROSECOND, time < first)  # `2020-00-00` and `2020-05-00`, sorted before their firsts
            for first in dict.fromkeys([datetime(start.year, 1, 1), month])
        ]
        return or_(time.is_(None), time < FIRST_YEAR, *before)


class MariaText(PostTime):
    """Text on MariaDB."""

    def value(self) -> ColumnElement[Any]:
        """Return the text as a time."""
        raw = _raw()
        time = cast(func.replace(func.left(raw, 19), "T", " "), DateTime())
        return case((raw.regexp_match(TIME), time), else_=None)

    def within(self, span: Span) -> Condition:
        """Return the condition that a time is in a span, first by date, so that an index is used."""
        time = self.value()
        return and_(_days(span), time >= span.first, time <= span.last if span.closed else time < span.last)

    def lost(self, windows: Windows) -> Condition:
        """Return the condition for text that is no time, unless it begins with another year."""
        other = and_(_raw().regexp_match("^[0-9]{4}[^0-9]"), _other_year(windows))
        known = func.coalesce(self.within(_range(windows)), False)
        return or_(_raw().is_(None), and_(self.seconds(windows.start).is_(None), not_(known), not_(other)))


class SQLiteTime(PostTime):
    """SQLite, where a column may hold values of any type."""

    def value(self) -> ColumnElement[Any]:
        """Return the column as text, with a blank between date and time."""
        return func.replace(func.substr(_raw(), 1, 19), "T", " ", type_=String())

    def within(self, span: Span) -> Condition:
        """Return the condition that a time is in a span, first by date, so that an index is used."""
        time = self.value()
        end = time <= span.last.isoformat(" ") if span.closed else time < _shortest(span.last)
        return and_(_days(span), time >= _shortest(span.first), end)

    def lost(self, windows: Windows) -> Condition:
        """Return the condition for a value that is no date, unless it begins with another year."""
        raw, like = _raw(), _raw().bool_op("GLOB")
        other = and_(like("[0-9][0-9][0-9][0-9][^0-9]*"), _other_year(windows))
        date = and_(func.typeof(raw) == "text", like(DATE), *(not_(like(zero)) for zero in ZEROS))
        return or_(raw.is_(None), and_(not_(date), not_(other), not_(self.within(_range(windows)))))


def _raw() -> ColumnElement[Any]:
    return named("post_time", String())


def _range(windows: Windows) -> Span:
    return windows.span((0, len(windows) - 1))


def _days(span: Span) -> Condition:
    day_after = span.last + timedelta(days=1)
    return and_(_raw() >= span.first.date().isoformat(), _raw() < day_after.date().isoformat())


def _other_year(windows: Windows) -> Condition:
    year = func.substr(_raw(), 1, 4)
    return and_(year > "0000", or_(year < f"{windows.start.year:04}", year > f"{windows.end.year:04}"))


def _shortest(time: datetime) -> str:
    """Return the shortest spelling of a time, which text is sorted before all others of it."""
    text = time.isoformat(" ").removesuffix(":00")
    return text.removesuffix(" 00:00")
