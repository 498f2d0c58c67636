"""The source table: posts with their authors, read by time. It belongs to others and is never changed."""

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

from include.audience.windows import Span, Windows
from include.core.database.bulk import seconds_since, stream

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Posts:
    """
    Rows of a source table, column by column; every array has the shape (n,).

    Attributes:
        ids: ids, str objects.
        s_ids: sources, such as `WH_F0045`, str objects.
        authors: authors as written, str objects.
        texts: what is labelled, str objects; `authors` itself where that is the author.
        times: when they were posted, datetime64[s], local time.
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
        engine: its schema, read-only.
        table: its name.
        text: name of the column that is labelled.
    """

    engine: Engine
    table: str
    text: str

    def read(self, span: Span, rows: int) -> Iterator[Posts]:
        """Read the rows of a time that have an author, a source and a text: parts of *rows* at most, in any order."""
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
        """Count the rows of each window that has some, those without an author too: good for planning only."""
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
        """Give the time of the newest post; `None`: there is none, or no index on `post_time`."""
        if not self._has_index():
            return None
        with self.engine.connect() as connection:
            found = connection.scalar(select(func.max(named("post_time"))).select_from(table_of(self.table)))
        return datetime.fromisoformat(str(found)[:19]) if found else None

    def warn_without_index(self) -> None:
        """Log a warning when no index begins with `post_time`: then each read goes through the whole table."""
        if not self._has_index():
            log.warning("%s has no index on post_time: every read goes through the whole table", self.table)

    def _has_index(self) -> bool:
        indexes = inspect(self.engine).get_indexes(self.table)
        return any(index["column_names"][:1] == ["post_time"] for index in indexes)

    @property
    def _sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def _time(self) -> ColumnElement[Any]:
        """Give `post_time`; from SQLite as text in one spelling, whatever stands between date and time."""
        time = named("post_time", String() if self._sqlite else DateTime())
        return func.replace(func.substr(time, 1, 19), "T", " ", type_=String()) if self._sqlite else time

    def _within(self, span: Span) -> ColumnElement[bool]:
        first, last, time = span.first, span.last, self._time()
        if not self._sqlite:
            return and_(time >= first, time <= last if span.closed else time < last)
        # first by days, with which every spelling begins, so that an index on the column is used
        day_after = last + timedelta(days=1)
        raw, begin, end = named("post_time", String()), first.isoformat(" "), last.isoformat(" ")
        days = and_(raw >= first.date().isoformat(), raw < day_after.date().isoformat())
        return and_(days, time >= begin, time <= end if span.closed else time < end)


def _objects(values: Sequence[Any]) -> np.ndarray:
    """Give values as an array of objects, whatever they are; shape (n,)."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
