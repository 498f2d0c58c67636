"""Production: one row an author of a task, copied from the labelled rows into the result table."""

import logging
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Engine, delete, insert, literal, select

from include.audience import state, tables
from include.audience.cleaning import Ballot, TiePolicy
from include.core.database.bulk import seconds_since, stream

log = logging.getLogger(__name__)

PART_ROWS = 20_000
EPOCH = datetime(1970, 1, 1)
COPY_ROWS = 5_000
"""Rows that one statement copies; their ids stand in it."""


def produce(engine: Engine, task_id: str, name: str, ties: TiePolicy) -> int:
    """
    Clean a task's rows of one table over the whole range and write them to its result table, replacing what is there.

    Who wins is found without the texts; the database then copies the winners by itself.

    Args:
        engine: the result schema.
        task_id: the task.
        name: table of the labelled rows, such as `fbfans`.
        ties: an author with two panels at the top is dropped, or kept in each.

    Returns:
        Rows written.

    Raises:
        TaskStoppedError: the task was aborted; nothing is written.
    """
    winners = _winners(engine, task_id, name, ties)
    tables.ensure(engine, [tables.production(name)])
    with engine.begin() as connection:
        state.hold(connection, task_id)
        _clear(connection, task_id, name)
        copied = sum(
            _copy(connection, task_id, name, winners.iloc[begin : begin + COPY_ROWS])
            for begin in range(0, len(winners), COPY_ROWS)
        )
    if copied != len(winners):
        log.warning("%s: %d rows for %d winners: ids are not unique in the source", name, copied, len(winners))
    return copied


def clear_others(engine: Engine, task_id: str, kept: list[str], names: tuple[str, ...]) -> None:
    """Remove what an earlier run of the task has produced in tables that it has no labelled rows for now."""
    present = tables.existing(engine)
    with engine.begin() as connection:
        state.hold(connection, task_id)
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


def _copy(connection: Connection, task_id: str, name: str, winners: pd.DataFrame) -> int:
    """Copy rows that lie next to each other in time."""
    source, target = tables.temp(name), tables.production(name)
    times = winners["create_time"].to_numpy().astype("datetime64[s]")
    own: Any = select(*source.columns).where(
        source.c.task_id == task_id,
        source.c.create_time.between(literal(times[0].item()), literal(times[-1].item())),
        source.c.id.in_(winners["id"].tolist()),
    )
    ordered = own.order_by(source.c.create_time, source.c.id)
    return connection.execute(insert(target).from_select(source.columns.keys(), ordered)).rowcount
