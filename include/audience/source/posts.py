"""The source table: posts with their authors, read by time. It belongs to others and is never modified."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np
from pandas.api.types import infer_dtype
from sqlalchemy import ColumnElement, Engine, LargeBinary, and_, cast, func, inspect, select
from sqlalchemy import column as named
from sqlalchemy import table as table_of

from include.audience.source.oddities import TEXT, TIME, Oddities
from include.audience.source.times import PostTime, post_time
from include.audience.source.windows import Span, Windows
from include.core.database.bulk import stream
from include.core.errors import BadDataError
from include.core.text import excerpt

log = logging.getLogger(__name__)

Columns = list[tuple[Any, ...]]
"""Values of each column of some rows, in the order of the rows."""


class SourceTableError(BadDataError):
    """The source table is not one of posts."""


@dataclass(frozen=True)
class Posts:
    """
    Columns of rows of a source table; every array has the shape (n,).

    Attributes:
        ids: ids, str objects; `None` if a post has none.
        s_ids: sources such as `WH_F0045`, str objects.
        authors: authors as written, str objects.
        texts: texts to label, str objects; the same array as `authors` if authors are labelled.
        times: times of posting, datetime64[s], local time.
    """

    ids: np.ndarray
    s_ids: np.ndarray
    authors: np.ndarray
    texts: np.ndarray
    times: np.ndarray


@dataclass(frozen=True)
class Source:
    """
    A source table.

    Attributes:
        engine: read-only engine of its schema.
        table: name of the table.
        text: name of the column to label.
    """

    engine: Engine
    table: str
    text: str

    def check(self) -> None:
        """
        Check that the table has all columns, and times among them.

        Raises:
            DBAPIError: a column or the table does not exist; the message names it.
            SourceTableError: the type of `post_time` holds no times.
        """
        log.debug("%s: post_time is read by %s", self.table, type(self._time).__name__)

    def read(self, span: Span, rows: int, oddities: Oddities | None = None) -> Iterator[Posts]:
        """
        Yield rows of a time span that have an author, a source and a text, up to *rows* at a time, in any order.

        Args:
            span: the time span.
            rows: maximum number of rows at a time.
            oddities: posts with odd text are added to it; those without a time are counted by `count`.
        """
        columns = [*map(named, self._names), self._seconds(span.first)]
        statement = self._select(*columns).where(self._within(span), self._known())
        oddities = Oddities() if oddities is None else oddities
        for part in stream(self.engine, statement, rows):
            columns, seconds = _in_time(list(zip(*part, strict=True)), span, oddities)
            if len(seconds):
                times = np.datetime64(span.first, "s") + seconds.astype("timedelta64[s]")
                yield self._posts(columns[:-1], times, oddities)

    def count(self, windows: Windows, oddities: Oddities | None = None) -> dict[int, int]:
        """
        Count the rows of each window that is not empty, including rows without an author: for planning only.

        Args:
            windows: the windows.
            oddities: posts whose time cannot be read, and may be within the range, are added to it.
        """
        number = (self._seconds(windows.start) // (windows.hours * 3600)).label("number")
        within = self._within(windows.span((0, len(windows) - 1)))
        statement = self._select(number, func.count()).where(within).group_by(number)
        rows: dict[int, int] = {}
        lost = 0
        with self.engine.connect() as connection:
            grouped: Any = connection.execute(statement)
            for found, count in grouped:
                if found is None:
                    lost = count
                else:
                    window = min(int(found), len(windows) - 1)
                    rows[window] = rows.get(window, 0) + count
        if oddities is not None:
            self._add_lost(oddities, and_(within, self._seconds(windows.start).is_(None)), lost)
            self._add_lost(oddities, and_(self._time.lost(windows), self._known()))
        return rows

    def total(self, span: Span) -> int:
        """Count the rows of a time span, including rows without an author; quicker than `count`."""
        with self.engine.connect() as connection:
            return connection.scalar(self._select(func.count()).where(self._within(span))) or 0

    def _posts(self, columns: Columns, times: np.ndarray, oddities: Oddities) -> Posts:
        broken: set[int] = set()
        found = {name: _texts(values, broken) for name, values in zip(self._names, columns, strict=True)}
        if broken:
            oddities.add(TEXT, len(broken), f"the post with the id {_shown(found['id'][min(broken)])}")
        return Posts(found["id"], found["s_id"], found["author"], found[self.text], times)

    def _add_lost(self, oddities: Oddities, condition: ColumnElement[bool], count: int | None = None) -> None:
        """Add the rows without a readable time that match a condition, and one of them as an example."""
        with self.engine.connect() as connection:
            if count is None:
                count = connection.scalar(self._select(func.count()).where(condition)) or 0
            if count:
                columns = (cast(named(name), LargeBinary) for name in ("post_time", "id"))
                time, id_ = tuple(connection.execute(self._select(*columns).where(condition).limit(1)).one())
                oddities.add(TIME, count, f"{_shown(time)} of the post with the id {_shown(id_)}")

    def newest(self) -> datetime | None:
        """Return the time of the newest post; `None` without posts or an index on `post_time`, or if it is no time."""
        if not self._has_index():
            return None
        with self.engine.connect() as connection:
            found = connection.scalar(select(func.max(named("post_time"))).select_from(table_of(self.table)))
        try:
            return datetime.fromisoformat(str(found)[:19]) if found else None
        except ValueError:  # a table may have text, and times that are none
            return None

    def warn_without_index(self) -> None:
        """Log a warning if no index of the table starts with `post_time`: every read then scans all of it."""
        if not self._has_index() and self.table not in inspect(self.engine).get_view_names():  # a view has none
            log.warning("%s has no index on post_time: every read scans the whole table", self.table)

    def _has_index(self) -> bool:
        indexes = inspect(self.engine).get_indexes(self.table)
        return any(index["column_names"][:1] == ["post_time"] for index in indexes)

    @property
    def _names(self) -> list[str]:
        return list(dict.fromkeys(["id", "s_id", "author", self.text]))

    @cached_property
    def _time(self) -> PostTime:
        statement = self._select(*map(named, [*self._names, "post_time"])).limit(0)
        with self.engine.connect() as connection:
            result: Any = connection.execute(statement)
            type_code = result.cursor.description[-1][1]
        if found := post_time(self.engine, type_code):
            return found
        raise SourceTableError(
            f"{self.table}: post_time has a type that holds no times; DATETIME, TIMESTAMP, DATE, or text such as "
            "2020-01-31 08:00:00 was expected"
        )

    def _seconds(self, start: datetime) -> ColumnElement[int]:
        return self._time.seconds(start)

    def _within(self, span: Span) -> ColumnElement[bool]:
        return self._time.within(span)

    def _known(self) -> ColumnElement[bool]:
        return and_(*(named(name).is_not(None) for name in self._names[1:]))

    def _select(self, *columns: Any) -> Any:
        return select(*columns).select_from(table_of(self.table))


def _in_time(columns: Columns, span: Span, oddities: Oddities) -> tuple[Columns, np.ndarray]:
    """
    Return the columns without rows outside a time span.

    Args:
        columns: columns of rows; the first are ids, the last are the seconds since the start of the span.
        span: the time span.
        oddities: rows whose seconds are not those of their text are added to it; those without seconds are counted by
            `Source.count`.

    Returns:
        The columns, and the seconds as int64, shape (n,).
    """
    try:
        seconds = np.array(columns[-1], dtype=np.int64)
    except TypeError:  # NULL
        columns = _rows_of(columns, [value is not None for value in columns[-1]])
        seconds = np.array(columns[-1], dtype=np.int64)
    inside = (seconds >= 0) & (seconds < (span.last - span.first).total_seconds() + span.closed)
    if not inside.all():  # SQLite takes 24:00 for the next day
        lost = _rows_of(columns, ~inside)[0]
        oddities.add(TIME, len(lost), f"that of the post with the id {_shown(lost[0])}")
        columns, seconds = _rows_of(columns, inside), seconds[inside]
    return columns, seconds


def _rows_of(columns: Columns, chosen: Iterable[bool]) -> Columns:
    return [tuple(compress(column, chosen)) for column in columns]


def _texts(values: Sequence[Any], broken: set[int]) -> np.ndarray:
    """
    Return values of any type as text, NULL as `None`; shape (n,).

    Args:
        values: the values.
        broken: numbers of the values that are bytes but not UTF-8 are added to it.
    """
    array = _objects(values)
    if infer_dtype(array, skipna=False) == "string":
        return array
    return _objects([_as_text(value, number, broken) for number, value in enumerate(values)])


def _as_text(value: Any, number: int, broken: set[int]) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        broken.add(number)
        return value.decode(errors="replace")


def _shown(value: Any) -> str:
    """Return a stored value for a message."""
    return "NULL" if value is None else excerpt(value.decode(errors="replace") if isinstance(value, bytes) else value)


def _objects(values: Sequence[Any]) -> np.ndarray:
    """Return values of any type as an array of objects, shape (n,)."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
