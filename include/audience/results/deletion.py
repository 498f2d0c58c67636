"""Deletion of a task: all that the result schema holds of it."""

from sqlalchemy import Engine, delete

from include.audience.results import state, tables
from include.audience.source.source_map import TABLES


def delete_rows(engine: Engine, task_id: str) -> int:
    """
    Abort a task unless it has ended, then delete its labelled rows, results and counts; its row in `state` is kept.

    Nothing is written for the task afterwards, whatever still runs. Idempotent.

    Returns:
        Number of labelled rows and results that were deleted.
    """
    state.abort(engine, task_id)
    present, count = tables.existing(engine), 0
    names = [prefix + name for name in TABLES for prefix in ("", tables.PRODUCTION_PREFIX)]
    for name in names:
        if name in present:
            table = tables.temp(name)
            with engine.begin() as connection:
                count += connection.execute(delete(table).where(table.c.task_id == task_id)).rowcount
    with engine.begin() as connection:
        for table in (tables.PROGRESS, tables.COVERAGE):
            if table.name in present:
                connection.execute(delete(table).where(table.c.task_id == task_id))
    return count


def delete_task(engine: Engine, task_id: str) -> None:
    """Delete the row of a task in `state`, as the last trace of it."""
    with engine.begin() as connection:
        connection.execute(delete(tables.STATE).where(tables.STATE.c.task_id == task_id))
