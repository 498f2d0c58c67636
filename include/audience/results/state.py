"""The table `state`: one row per task, from its creation to its end; the source of truth about a task."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, not_, select, update
from sqlalchemy.exc import IntegrityError

from include.audience.report import LabelingReport
from include.audience.results import tables
from include.audience.task import Task
from include.core.errors import BadDataError, NothingToDoError

STATE = tables.STATE
SHOWN = [column for column in STATE.columns if not column.info.get(tables.BOOKKEEPING)]
"""Columns that are shown to users."""
MAX_ERROR_CHARACTERS = 4_000
MAX_UNOPENED = 20


class Stat(StrEnum):
    """Status of the label stage."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    BREAK = "BREAK"


FINISH, NO_DATA = "finish", "no_data"
"""Final values of `prod_stat`."""


class TaskAbortedError(NothingToDoError):
    """The task was aborted; nothing more is written for it."""


class TaskTakenError(BadDataError):
    """The task belongs to another run, or does not exist."""


def insert_task(engine: Engine, task: Task, dag_run_id: str, now: datetime, instant: float) -> None:
    """
    Insert the row of a new task with the status `PENDING`; do nothing if this run has inserted it before.

    Args:
        engine: result schema with the table `state`.
        task: the new task.
        dag_run_id: id of its DAG run.
        now: creation time, local.
        instant: creation time in seconds since 1970; orders tasks of the same second.

    Raises:
        TaskTakenError: the id is taken by another run.
    """
    row = {
        "task_id": task.task_id,
        "stat": Stat.PENDING,
        "model_type": task.model_type[:32],
        "predict_type": task.predict_type[:32],
        "date_range": task.date_range,
        "target_table": task.target_schema,
        "create_time": now.replace(microsecond=0, tzinfo=None),
        "result": "",
        "dag_run_id": dag_run_id,
        "inserted": int(instant * 1e6),
    }
    try:
        with engine.begin() as connection:
            connection.execute(insert(STATE), row)
    except IntegrityError:
        check_owner(engine, task.task_id, dag_run_id)


def insert_failed(engine: Engine, row: Mapping[str, Any]) -> None:
    """Insert the row of a task that has failed before it began; do nothing if it has a row."""
    with suppress(IntegrityError), engine.begin() as connection:
        connection.execute(insert(STATE), dict(row))


def check_owner(engine: Engine, task_id: str, dag_run_id: str) -> None:
    """
    Check that the task belongs to this run.

    Raises:
        TaskTakenError: it belongs to another run, or does not exist.
    """
    found = read(engine, task_id)
    if found is None:
        raise TaskTakenError(f"task {task_id} has not been opened")
    if found.dag_run_id != dag_run_id:
        raise TaskTakenError(f"task {task_id} belongs to the run {found.dag_run_id}; a new task needs a new id")


def read(engine: Engine, task_id: str) -> Row[Any] | None:
    """Return the row of a task."""
    with engine.connect() as connection:
        row = connection.execute(select(STATE).where(STATE.c.task_id == task_id)).first()
    return row if row and row.task_id == task_id else None  # MariaDB ignores trailing blanks


def newest(engine: Engine, limit: int) -> list[dict[str, Any]]:
    """Return the columns `SHOWN` of the newest tasks, newest first."""
    statement = select(*SHOWN).order_by(STATE.c.create_time.desc(), STATE.c.inserted.desc()).limit(limit)
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(statement)]


def unopened(engine: Engine, prefix: str, before: float) -> dict[str, str]:
    """
    Return tasks that no run has opened, with the ids of their runs.

    Args:
        engine: result schema with the tables `state` and `label_progress`.
        prefix: beginning of the ids of runs that are started after their task is inserted.
        before: tasks created after this time, in seconds since 1970, are left out.
    """
    opened = select(tables.PROGRESS.c.batch).where(tables.PROGRESS.c.task_id == STATE.c.task_id).exists()
    statement = select(STATE.c.task_id, STATE.c.dag_run_id).where(
        STATE.c.stat == Stat.PENDING,
        STATE.c.inserted < int(before * 1e6),
        STATE.c.dag_run_id.startswith(prefix, autoescape=True),
        not_(opened),
    )
    with engine.connect() as connection:
        return {row.task_id: row.dag_run_id for row in connection.execute(statement.limit(MAX_UNOPENED))}


def lock(connection: Connection, task_id: str, *, exclusive: bool = False) -> None:
    """
    Lock the task's row against changes until the end of the transaction.

    Args:
        connection: connection with an open transaction.
        task_id: id of the task.
        exclusive: wait for all other transactions that have locked the row, and let them wait for this one.

    Raises:
        TaskAbortedError: the task was aborted, or deleted.
    """
    statement = select(STATE.c.stat).where(STATE.c.task_id == task_id).with_for_update(read=not exclusive)
    stat = connection.execute(statement).scalar()
    if stat is None:
        raise TaskAbortedError(f"task {task_id} was deleted")
    if stat == Stat.BREAK:
        raise TaskAbortedError(f"task {task_id} was aborted")


def check_not_aborted(engine: Engine, task_id: str) -> None:
    """
    Check that the task was not aborted.

    Raises:
        TaskAbortedError: it was.
    """
    row = read(engine, task_id)
    if row is not None and row.stat == Stat.BREAK:
        raise TaskAbortedError(f"task {task_id} was aborted")


def reopen(engine: Engine, task_id: str) -> None:
    """
    Set a failed task back to `PENDING`.

    Raises:
        TaskAbortedError: the task was aborted.
    """
    _update(engine, task_id, Stat.FAILURE, stat=Stat.PENDING, check_point=None, error_message=None)
    with engine.begin() as connection:
        lock(connection, task_id)


def withdraw(engine: Engine, task_id: str) -> None:
    """Revoke the success of a label stage that was run again and is no longer complete."""
    lengths = dict.fromkeys(("length_receive_table", "length_output_table", "length_prod_table"))
    others = dict.fromkeys(("prod_stat", "uniq_source_author", "rate_of_label"))
    _update(engine, task_id, Stat.SUCCESS, stat=Stat.PENDING, **lengths, **others)


def close_labeling(engine: Engine, task_id: str, report: LabelingReport) -> None:
    """
    Store the report of the label stage, and its success.

    Raises:
        TaskAbortedError: the task was aborted.
    """
    _store(
        engine,
        task_id,
        stat=Stat.SUCCESS,
        result=",".join(report.result),
        uniq_source_author=_joined(report.authors),
        length_receive_table=report.received,
        length_output_table=report.written,
        run_time=report.minutes,
        check_point=None,
        error_message=report.warning[:MAX_ERROR_CHARACTERS] or None,
    )


def fail(engine: Engine, task_id: str, check_point: datetime | None, error: str) -> None:
    """Store the failure of the label stage: its position and the error. An aborted task stays aborted."""
    _update(
        engine,
        task_id,
        Stat.PENDING,
        stat=Stat.FAILURE,
        result="",
        run_time=None,
        check_point=check_point,
        error_message=error[:MAX_ERROR_CHARACTERS],
    )


def note_error(engine: Engine, task_id: str, error: str) -> None:
    """Store the text of an error and change nothing else."""
    with engine.begin() as connection:
        connection.execute(
            update(STATE).where(STATE.c.task_id == task_id).values(error_message=error[:MAX_ERROR_CHARACTERS])
        )


def close_production(engine: Engine, task_id: str, produced: list[int], authors: list[int], warning: str = "") -> None:
    """
    Store rows and rates of production; the lists are aligned with `result`, and empty if nothing was labelled.

    A warning stays in the column of errors.

    Raises:
        TaskAbortedError: the task was aborted.
    """
    rates = [str(round(rows / count * 100, 2)) for rows, count in zip(produced, authors, strict=True)]
    _store(
        engine,
        task_id,
        prod_stat=FINISH if produced else NO_DATA,
        length_prod_table=_joined(produced) or "0",
        rate_of_label=",".join(rates) or None,
        error_message=warning[:MAX_ERROR_CHARACTERS] or None,
    )


def abort(engine: Engine, task_id: str) -> str | None:
    """Abort a task unless it has ended; return its status before, or `None` if it does not exist."""
    with engine.begin() as connection:
        row = connection.execute(select(STATE).where(STATE.c.task_id == task_id).with_for_update()).first()
        if row is None or row.task_id != task_id:
            return None
        if row.stat == Stat.PENDING or (row.stat == Stat.SUCCESS and row.prod_stat is None):
            connection.execute(update(STATE).where(STATE.c.task_id == task_id).values(stat=Stat.BREAK))
        return row.stat


def _store(engine: Engine, task_id: str, **values: Any) -> None:
    with engine.begin() as connection:
        lock(connection, task_id, exclusive=True)
        connection.execute(update(STATE).where(STATE.c.task_id == task_id).values(**values))


def _update(engine: Engine, task_id: str, before: Stat, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(update(STATE).where(STATE.c.task_id == task_id, STATE.c.stat == before).values(**values))


def _joined(numbers: list[int]) -> str | None:
    return ",".join(map(str, numbers)) or None
