"""What batches write to the result schema: labelled rows, progress, coverage."""

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, Row, and_, delete, func, select, update
from sqlalchemy.exc import DBAPIError

from include.audience.labeling.coverage import Counts, Coverage, Key
from include.audience.labeling.labeler import COLUMNS
from include.audience.results import state, tables
from include.audience.source.oddities import Oddities
from include.audience.source.windows import Span, Stretch, Windows
from include.core.database.bulk import INSERT_ROWS, insert_rows
from include.core.database.errors import is_transient

log = logging.getLogger(__name__)

PROGRESS, COVERAGE = tables.PROGRESS, tables.COVERAGE


class BatchWriter:
    """Writes one batch of a task; whatever is written again replaces what was written before."""

    def __init__(self, engine: Engine, task_id: str, batch: int, windows: Windows, names: Sequence[str]) -> None:
        """Write to tables *names*, all that the source map allows."""
        self._engine = engine
        self._task_id = task_id
        self._batch = batch
        self._windows = windows
        self._names = list(names)
        self._present = tables.existing(engine) & set(names)

    def write(self, stretch: Stretch, labelled: pd.DataFrame) -> None:
        """
        Write the rows of consecutive windows, as returned by `Labeler.settle`, in one transaction.

        If the database rejects it, the windows are written one by one, so that all windows before the bad one are kept.

        Raises:
            TaskAbortedError: the task was aborted; nothing is written.
            DBAPIError: the database rejected a window; the error is that of the first one.
        """
        needed = {self._names[table] for table in labelled["table"].unique()} - self._present
        tables.ensure(self._engine, map(tables.temp, sorted(needed)))
        self._present |= needed
        try:
            self._write(stretch, labelled)
        except DBAPIError as error:
            if stretch[0] == stretch[1] or is_transient(error):
                raise
            name = type(error.orig).__name__
            log.warning("windows %d to %d were rejected (%s); writing them one by one", *stretch, name)
            for window in range(stretch[0], stretch[1] + 1):
                self._write((window, window), labelled.loc[labelled["window"] == window])

    def _write(self, stretch: Stretch, labelled: pd.DataFrame) -> None:
        with self._engine.begin() as connection:
            self._lock(connection)
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
        """Record that the batch starts with the stretch *first*, and the time of its first attempt."""
        values = {
            "began": func.coalesce(PROGRESS.c.began, instant),
            "check_point": func.coalesce(PROGRESS.c.check_point, self._windows.begin(first[0])),
        }
        with self._engine.begin() as connection:
            connection.execute(update(PROGRESS).where(self._own(PROGRESS)).values(values))

    def finish(self, received: int, coverage: Coverage, oddities: Oddities, instant: float) -> None:
        """Store the counts of the batch, and that it is done, in one transaction."""
        odd = json.dumps(oddities.as_json()) if oddities.total else None
        rows = [
            (self._task_id, self._batch, panel, pattern, counts.matched, counts.sole, counts.conflict)
            for panel, pattern, counts in coverage.rows()
        ]
        with self._engine.begin() as connection:
            self._lock(connection)
            connection.execute(delete(COVERAGE).where(self._own(COVERAGE)))
            insert_rows(connection, COVERAGE, COVERAGE.columns.keys(), rows)
            values = {"check_point": None, "received": received, "oddities": odd, "wrote": instant}
            connection.execute(update(PROGRESS).where(self._own(PROGRESS)).values(values))

    def _lock(self, connection: Connection) -> None:
        """
        Lock the task against an abort, and the batch against another attempt, until the end of the transaction.

        An attempt that lost Airflow may still run beside its successor: both would find nothing to delete, and insert.
        """
        state.lock(connection, self._task_id)
        connection.execute(select(PROGRESS.c.batch).where(self._own(PROGRESS)).with_for_update())

    def _own(self, table: Any) -> Any:
        return and_(table.c.task_id == self._task_id, table.c.batch == self._batch)


def plan_batches(engine: Engine, task_id: str, begins: Sequence[datetime]) -> None:
    """Store the batches of a task, given by their start times, unless they are stored already."""
    with engine.begin() as connection:
        state.lock(connection, task_id, exclusive=True)
        known = select(func.count()).select_from(PROGRESS).where(PROGRESS.c.task_id == task_id)
        if not connection.execute(known).scalar():
            rows = [(task_id, batch, begin, 0) for batch, begin in enumerate(begins)]
            insert_rows(connection, PROGRESS, ["task_id", "batch", "check_point", "received"], rows)


def progress(engine: Engine, task_id: str) -> Sequence[Row[Any]]:
    """Return the progress of the batches of a task, in order."""
    statement = select(PROGRESS).where(PROGRESS.c.task_id == task_id).order_by(PROGRESS.c.batch)
    with engine.connect() as connection:
        return connection.execute(statement).all()


def oddities(rows: Sequence[Row[Any]]) -> Oddities:
    """Return the unreadable posts of batches, from their progress."""
    found = Oddities()
    for row in rows:
        found.update(Oddities.from_json(json.loads(row.oddities or "{}")))
    return found


def written(engine: Engine, task_id: str, names: Sequence[str]) -> dict[str, int]:
    """Count the labelled rows of a task per table, without empty tables, in the order of *names*."""
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


def coverage_counts(engine: Engine, task_id: str) -> dict[Key, Counts]:
    """Return the coverage counts of a task, summed over its batches."""
    counted = (COVERAGE.c.matched, COVERAGE.c.sole, COVERAGE.c.conflict)
    sums = [func.sum(column).label(column.name) for column in counted]
    statement = select(COVERAGE.c.panel, COVERAGE.c.pattern, *sums).where(COVERAGE.c.task_id == task_id)
    with engine.connect() as connection:
        found = connection.execute(statement.group_by(COVERAGE.c.panel, COVERAGE.c.pattern)).all()
    return {(row.panel, row.pattern): Counts(int(row.matched), int(row.sole), int(row.conflict)) for row in found}


def _delete_span(connection: Connection, name: str, task_id: str, span: Span) -> None:
    table = tables.temp(name)
    before_end = table.c.create_time <= span.last if span.closed else table.c.create_time < span.last
    connection.execute(delete(table).where(table.c.task_id == task_id, table.c.create_time >= span.first, before_end))


def _tuples(task_id: str, rows: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Yield rows with their task id; they are converted in parts, since Python objects are large."""
    for begin in range(0, len(rows), INSERT_ROWS):
        part = rows.iloc[begin : begin + INSERT_ROWS]
        times = part["create_time"].to_numpy().astype("datetime64[s]").tolist()
        columns = [times if name == "create_time" else part[name].tolist() for name in COLUMNS]
        yield from zip(repeat(task_id), *columns)
