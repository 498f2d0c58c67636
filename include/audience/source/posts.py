"""The source table: posts with their authors, read by time. It belongs to others and is never modified."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Engine,
    String,
    and_,
    func,
    inspect,
    select,
)
from sqlalchemy import column as named
from sqlalchemy import table as table_of

from include.audience.source.windows import Span, Windows
from include.core.database.bulk import seconds_since, stream

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Posts:
    """
    Columns of rows of a source table; every array has the shape (n,).

    Attributes:
        ids: ids, str objects.
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

    def read(self, span: Span, rows: int) -> Iterator[Posts]:
        """Yield rows of a time span that have an author, a source and a text, up to *rows* at a time, in any order."""
        names = list(dict.fromkeys(["id", "s_id", "author", self.text]))
        known = [named(name).is_not(None) for name in names[1:]]
        columns = [*map(named, names), seconds_since(self.engine, span.first, self._time())]
        statement = select(*columns).select_from(table_of(self.table)).where(self._within(span), *known)
        start = np.datetime64(span.first, "s")
        for part in stream(self.engine, statement, rows):
            *texts, seconds = zip(*part, strict=True)
            found = dict(zip(names, map(_objects, texts), strict=True))
            yield Posts(
                found["id"],
                found["s_id"],
                found["author"],
                found[self.text],
                start + np.array(seconds, dtype=np.int64).astype("timedelta64[s]"),
            )

    def count(self, windows: Windows) -> dict[int, int]:
        """Count the rows of each window that is not empty, including rows without an author: for planning only."""
        number = (seconds_since(self.engine, windows.start, self._time()) // (windows.hours * 3600)).label("number")
        within = self._within(windows.span((0, len(windows) - 1)))
        statement = select(number, func.count()).select_from(table_of(self.table)).where(within).group_by(number)
        rows: dict[int, int] = {}
        with self.engine.connect() as connection:
            for found, count in connection.execute(statement):
                window = min(int(found), len(windows) - 1)
                rows[window] = rows.get(window, 0) + count
        return rows

    def newest(self) -> datetime | None:
        """Return the time of the newest post; `None` without posts, or without an index on `post_time`."""
        if not self._has_index():
            return None
        with self.engine.connect() as connection:
            found = connection.scalar(select(func.max(named("post_time"))).select_from(table_of(self.table)))
        return datetime.fromisoformat(str(found)[:19]) if found else None

    def warn_without_index(self) -> None:
        """Log a warning if no index starts with `post_time`: every read then scans the whole table."""
        if not self._has_index():
            log.warning("%s has no index on post_time: every read scans the whole table", self.table)

    def _has_index(self) -> bool:
        indexes = inspect(self.engine).get_indexes(self.table)
        return any(index["column_names"][:1] == ["post_time"] for index in indexes)

    @property
    def _sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def _time(self) -> ColumnElement[Any]:
        """Return the column `post_time`; in SQLite as text, with a blank between date and time."""
        time = named("post_time", String() if self._sqlite else DateTime())
        return func.replace(func.substr(time, 1, 19), "T", " ", type_=String()) if self._sqlite else time

    def _within(self, span: Span) -> ColumnElement[bool]:
        first, last, time = span.first, span.last, self._time()
        if not self._sqlite:
            return and_(time >= first, time <= last if span.closed else time < last)
        # first by date, which all spellings start with, so that an index on the column is used
        day_after = last + timedelta(days=1)
        raw, begin, end = named("post_time", String()), first.isoformat(" "), last.isoformat(" ")
        days = and_(raw >= first.date().isoformat(), raw < day_after.date().isoformat())
        return and_(days, time >= begin, time <= end if span.closed else time < end)


def _objects(values: Sequence[Any]) -> np.ndarray:
    """Return values of any type as an array of objects, shape (n,)."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
