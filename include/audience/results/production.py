"""Production: copies one labelled row per author of a task into the result table."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import ColumnElement, Connection, Engine, Table, delete, insert, literal, select, tuple_

from include.audience.labeling.cleaning import Ballot
from include.audience.results import state, tables
from include.audience.settings import TiePolicy
from include.core.database.bulk import seconds_since, stream

log = logging.getLogger(__name__)

PART_ROWS = 20_000
EPOCH = datetime(1970, 1, 1)
COPY_ROWS = 5_000
"""Rows copied by one statement, which lists their ids."""


def produce(engine: Engine, task_id: str, name: str, ties: TiePolicy) -> int:
    """
    Clean a task's rows of one table over the whole range and write them to the result table; earlier rows are replaced.

    The winners are determined without reading the texts; the database then copies their rows.

    Args:
        engine: engine of the result schema.
        task_id: id of the task.
        name: table of the labelled rows, such as `fbfans`.
        ties: whether an author whose top panels tie is dropped, or kept in each of them.

    Returns:
        Number of rows written.

    Raises:
        TaskAbortedError: the task was aborted; nothing is written.
    """
    winners = _winners(engine, task_id, name, ties)
    tables.ensure(engine, [tables.production(name)])
    parts = [winners.iloc[begin : begin + COPY_ROWS] for begin in range(0, len(winners), COPY_ROWS)]
    with engine.begin() as connection:
        state.lock(connection, task_id, exclusive=True)
        _clear(connection, task_id, name)
        copied = sum(_copy(connection, task_id, name, part, _has_id) for part in parts)
        if copied != len(winners):
            log.warning("%s: %d rows for %d winners: ids are not unique in the source", name, copied, len(winners))
            _clear(connection, task_id, name)
            copied = sum(_copy(connection, task_id, name, part, _is_winner) for part in parts)
    return copied


def clear_others(engine: Engine, task_id: str, kept: list[str], names: tuple[str, ...]) -> None:
    """Delete results of an earlier run of the task from tables for which it has no labelled rows now."""
    present = tables.existing(engine)
    with engine.begin() as connection:
        state.lock(connection, task_id, exclusive=True)
        for name in names:
            if name not in kept and tables.production(name).name in present:
                _clear(connection, task_id, name)


def _winners(engine: Engine, task_id: str, name: str, ties: TiePolicy) -> pd.DataFrame:
    table = tables.temp(name)
    seconds = seconds_since(engine, EPOCH, table.c.create_time)
    statement = select(table.c.source_author, table.c.panel, table.c.id, seconds).where(table.c.task_id == task_id)
    ballot = Ballot()
    for part in stream(engine, statement, PART_ROWS):
        authors, panels, ids, times = zip(*part, strict=True)
        rows = {
            "group": 0,
            "source_author": authors,
            "panel": panels,
            "create_time": np.array(times, dtype=np.int64).astype("datetime64[s]"),
            "id": ids,
            "votes": 1,
        }
        ballot.add(pd.DataFrame(rows))
    found = ballot.settle(ties)
    return pd.DataFrame() if found is None else found


def _clear(connection: Connection, task_id: str, name: str) -> None:
    table = tables.production(name)
    connection.execute(delete(table).where(table.c.task_id == task_id))


def _has_id(source: Table, winners: pd.DataFrame) -> ColumnElement[bool]:
    """Return the condition that a row has the id of a winner: the quickest, and right if ids are unique."""
    return source.c.id.in_(winners["id"].tolist())


def _is_winner(source: Table, winners: pd.DataFrame) -> ColumnElement[bool]:
    """Return the condition that a row is a winner: a window has one row of each author and panel."""
    key = tuple_(source.c.create_time, source.c.source_author, source.c.panel)
    columns = (winners["source_author"].tolist(), winners["panel"].tolist())
    return key.in_(list(zip(_times(winners), *columns, strict=True)))


def _times(winners: pd.DataFrame) -> list[datetime]:
    return winners["create_time"].to_numpy().astype("datetime64[s]").tolist()


def _copy(
    connection: Connection,
    task_id: str,
    name: str,
    winners: pd.DataFrame,
    chosen: Callable[[Table, pd.DataFrame], ColumnElement[bool]],
) -> int:
    """Copy rows that are adjacent in time."""
    source, target = tables.temp(name), tables.production(name)
    times = _times(winners)
    own: Any = select(*source.columns).where(
        source.c.task_id == task_id,
        source.c.create_time.between(literal(times[0]), literal(times[-1])),
        chosen(source, winners),
    )
    ordered = own.order_by(source.c.create_time, source.c.id)
    return connection.execute(insert(target).from_select(source.columns.keys(), ordered)).rowcount
