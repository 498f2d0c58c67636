"""What label batches write into the result schema: labelled rows, how far they are, what they found."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, Row, and_, delete, func, select, update
from sqlalchemy.exc import DBAPIError

from include.audience import state, tables
from include.audience.coverage import Coverage
from include.audience.labeling import COLUMNS
from include.audience.windows import Span, Stretch, Windows
from include.core.database.bulk import INSERT_ROWS, insert_rows
from include.core.database.errors import is_transient

log = logging.getLogger(__name__)

PROGRESS, COVERAGE = tables.PROGRESS, tables.COVERAGE


class BatchWriter:
    """Writes one batch of a task; everything may be written again and replaces what was there."""

    def __init__(self, engine: Engine, task_id: str, batch: int, windows: Windows, names: Sequence[str]) -> None:
        """Take the names of all tables that the task may write to."""
        self._engine = engine
        self._task_id = task_id
        self._batch = batch
        self._windows = windows
        self._names = list(names)
        self._present = tables.existing(engine) & set(names)

    def write(self, stretch: Stretch, labelled: pd.DataFrame) -> None:
        """
        Write the rows of consecutive windows, as `Labeler.settled` gives them, in one transaction.

        When the database refuses it, window after window is tried by itself, so that all before the bad one are kept.

        Raises:
            TaskStoppedError: the task was aborted; nothing is written.
            DBAPIError: what the database says of the first window that it refuses.
        """
        needed = {self._names[table] for table in labelled["table"].unique()} - self._present
        tables.ensure(self._engine, map(tables.temp, sorted(needed)))
        self._present |= needed
        try:
            self._write(stretch, labelled)
        except DBAPIError as error:
            if stretch[0] == stretch[1] or is_transient(error):
                raise
            log.warning("windows %d to %d were refused (%s), one by one now", *stretch, type(error.orig).__name__)
            for window in range(stretch[0], stretch[1] + 1):
                self._write((window, window), labelled.loc[labelled["window"] == window])

    def _write(self, stretch: Stretch, labelled: pd.DataFrame) -> None:
        with self._engine.begin() as connection:
            state.hold(connection, self._task_id)
            for name in sorted(self._present):
                _delete_span(connection, name, self._task_id, self._windows.span(stretch))
            for table in sorted(labelled["table"].unique()):
                rows = _tuples(self._task_id, labelled.loc[labelled["table"] == table])
                insert_rows(connection, tables.temp(self._names[table]), ["task_id", *COLUMNS], rows)
            following = self._windows.begin(min(stretch[1] + 1, len(self._windows) - 1))
            connection.execute(
                update(PROGRESS)
                .where(self._own(PROGRESS), PROGRESS.c.check_point < following)
                .values(check_point=following)
            )

    def begin(self, first: Stretch, instant: float) -> None:
        """Note that the batch is being worked on, from the stretch *first*, and when that began at its first try."""
        values = {
            "began": func.coalesce(PROGRESS.c.began, instant),
            "check_point": func.coalesce(PROGRESS.c.check_point, self._windows.begin(first[0])),
        }
        with self._engine.begin() as connection:
            connection.execute(update(PROGRESS).where(self._own(PROGRESS)).values(values))

    def finish(self, received: int, coverage: Coverage, instant: float) -> None:
        """Store the figures of the batch and that it is done, in one transaction."""
        rows = [
            (self._task_id, self._batch, panel, pattern, counts.matched, counts.sole, counts.conflict)
            for panel, pattern, counts in coverage.rows()
        ]
        with self._engine.begin() as connection:
            state.hold(connection, self._task_id)
            connection.execute(delete(COVERAGE).where(self._own(COVERAGE)))
            insert_rows(connection, COVERAGE, COVERAGE.columns.keys(), rows)
            connection.execute(
                update(PROGRESS).where(self._own(PROGRESS)).values(check_point=None, received=received, wrote=instant)
            )

    def _own(self, table: Any) -> Any:
        return and_(table.c.task_id == self._task_id, table.c.batch == self._batch)


def plan_batches(engine: Engine, task_id: str, begins: Sequence[datetime]) -> None:
    """Note the batches of a task by their first moments, if that has not been done."""
    with engine.begin() as connection:
        known = select(func.count()).select_from(PROGRESS).where(PROGRESS.c.task_id == task_id)
        if not connection.execute(known).scalar():
            rows = [(task_id, batch, begin, 0) for batch, begin in enumerate(begins)]
            insert_rows(connection, PROGRESS, ["task_id", "batch", "check_point", "received"], rows)


def progress(engine: Engine, task_id: str) -> Sequence[Row[Any]]:
    """Give how far the batches of a task are, in their order."""
    statement = select(PROGRESS).where(PROGRESS.c.task_id == task_id).order_by(PROGRESS.c.batch)
    with engine.connect() as connection:
        return connection.execute(statement).all()


def written(engine: Engine, task_id: str, names: Sequence[str]) -> dict[str, int]:
    """Count the labelled rows of a task in each table that has some, in the order of *names*."""
    present = tables.existing(engine)
    with engine.connect() as connection:
        counts = {
            name: connection.execute(
                select(func.count()).select_from(table := tables.temp(name)).where(table.c.task_id == task_id)
            ).scalar_one()
            for name in names
            if name in present
        }
    return {name: count for name, count in counts.items() if count}


def _delete_span(connection: Connection, name: str, task_id: str, span: Span) -> None:
    table = tables.temp(name)
    before_end = table.c.create_time <= span.last if span.closed else table.c.create_time < span.last
    connection.execute(delete(table).where(table.c.task_id == task_id, table.c.create_time >= span.first, before_end))


def _tuples(task_id: str, rows: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Give rows with their task, a part at a time: as Python's objects they are large."""
    for begin in range(0, len(rows), INSERT_ROWS):
        part = rows.iloc[begin : begin + INSERT_ROWS]
        times = part["create_time"].to_numpy().astype("datetime64[s]").tolist()
        columns = [times if name == "create_time" else part[name].tolist() for name in COLUMNS]
        yield from zip(repeat(task_id), *columns)
