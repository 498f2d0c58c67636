"""The table `state`: one row a task, from its creation to its end. Its rows are the truth about a task."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from include.audience import tables
from include.audience.request import Task
from include.core.errors import BadDataError

STATE = tables.STATE
SHOWN = [column for column in STATE.columns if not column.info.get(tables.BOOKKEEPING)]
"""The columns that people see."""
ERROR_CHARACTERS = 4_000


class Stat(StrEnum):
    """State of the label stage."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    BREAK = "BREAK"


FINISH, NO_DATA = "finish", "no_data"
"""What `prod_stat` is at the end."""


class TaskStoppedError(Exception):
    """The task was aborted: nothing more is written for it."""


class TaskTakenError(BadDataError):
    """Another run has a task with this id."""


@dataclass(frozen=True)
class Figures:
    """What the label stage found; lists are aligned with `result`."""

    received: int
    written: int
    result: list[str]
    authors: list[int]
    minutes: float


def insert_task(engine: Engine, task: Task, dag_run_id: str, now: datetime, instant: float) -> None:
    """
    Insert the row of a new task as `PENDING`, or do nothing if this run has inserted it before.

    Args:
        engine: the result schema, with its table `state`.
        task: the task.
        dag_run_id: the DAG run that belongs to it.
        now: creation time, local.
        instant: the same in seconds since 1970; orders tasks of the same second.

    Raises:
        TaskTakenError: there is a task with this id of another run.
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


def check_owner(engine: Engine, task_id: str, dag_run_id: str) -> None:
    """
    Check that the task belongs to this run.

    Raises:
        TaskTakenError: it belongs to another run, or there is no such task.
    """
    found = read(engine, task_id)
    if found is None:
        raise TaskTakenError(f"task {task_id} has not been opened")
    if found.dag_run_id != dag_run_id:
        raise TaskTakenError(f"task {task_id} belongs to the run {found.dag_run_id}; a new task needs a new id")


def read(engine: Engine, task_id: str) -> Row[Any] | None:
    """Give the row of a task."""
    with engine.connect() as connection:
        row = connection.execute(select(STATE).where(STATE.c.task_id == task_id)).first()
    return row if row and row.task_id == task_id else None  # to MariaDB trailing blanks make no difference


def newest(engine: Engine, limit: int) -> list[dict[str, Any]]:
    """Give the newest tasks, newest first, as the columns that people see."""
    statement = select(*SHOWN).order_by(STATE.c.create_time.desc(), STATE.c.inserted.desc()).limit(limit)
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(statement)]


def hold(connection: Connection, task_id: str) -> None:
    """
    Keep the task's row from changing until the transaction ends.

    Raises:
        TaskStoppedError: the task was aborted.
    """
    statement = select(STATE.c.stat).where(STATE.c.task_id == task_id).with_for_update(read=True)
    if connection.execute(statement).scalar() == Stat.BREAK:
        raise TaskStoppedError(f"task {task_id} was aborted")


def reopen(engine: Engine, task_id: str) -> None:
    """
    Say that a task that had failed is being worked on again.

    Raises:
        TaskStoppedError: the task was aborted.
    """
    _update(engine, task_id, Stat.FAILURE, stat=Stat.PENDING, check_point=None, error_message=None)
    with engine.begin() as connection:
        hold(connection, task_id)


def withdraw(engine: Engine, task_id: str) -> None:
    """Take back the success of a label stage that has been run again and is no longer complete."""
    lengths = dict.fromkeys(("length_receive_table", "length_output_table", "length_prod_table"))
    figures = lengths | dict.fromkeys(("prod_stat", "uniq_source_author", "rate_of_label"))
    _update(engine, task_id, Stat.SUCCESS, stat=Stat.PENDING, **figures)


def close_labeling(engine: Engine, task_id: str, figures: Figures) -> None:
    """
    Store what the label stage found.

    Raises:
        TaskStoppedError: the task was aborted.
    """
    _store(
        engine,
        task_id,
        stat=Stat.SUCCESS,
        result=",".join(figures.result),
        uniq_source_author=_listed(figures.authors),
        length_receive_table=figures.received,
        length_output_table=figures.written,
        run_time=figures.minutes,
        check_point=None,
        error_message=None,
    )


def fail(engine: Engine, task_id: str, check_point: datetime | None, error: str) -> None:
    """Store that the label stage failed: the first window that is not written, and why. An aborted task stays so."""
    _update(
        engine,
        task_id,
        Stat.PENDING,
        stat=Stat.FAILURE,
        result="",
        run_time=None,
        check_point=check_point,
        error_message=error[:ERROR_CHARACTERS],
    )


def note_error(engine: Engine, task_id: str, error: str) -> None:
    """Keep the text of an error; nothing else changes."""
    with engine.begin() as connection:
        connection.execute(
            update(STATE).where(STATE.c.task_id == task_id).values(error_message=error[:ERROR_CHARACTERS])
        )


def close_production(engine: Engine, task_id: str, produced: list[int], authors: list[int]) -> None:
    """
    Store what production found; lists are aligned with `result`, empty when nothing was labelled.

    Raises:
        TaskStoppedError: the task was aborted.
    """
    rates = [str(round(rows / count * 100, 2)) for rows, count in zip(produced, authors, strict=True)]
    _store(
        engine,
        task_id,
        prod_stat=FINISH if produced else NO_DATA,
        length_prod_table=_listed(produced) or "0",
        rate_of_label=",".join(rates) or None,
        error_message=None,
    )


def stop(engine: Engine, task_id: str) -> str | None:
    """Abort a task that has not come to its end; give the status it had, `None` if there is no such task."""
    with engine.begin() as connection:
        row = connection.execute(select(STATE).where(STATE.c.task_id == task_id).with_for_update()).first()
        if row is None or row.task_id != task_id:
            return None
        if row.stat == Stat.PENDING or (row.stat == Stat.SUCCESS and row.prod_stat is None):
            connection.execute(update(STATE).where(STATE.c.task_id == task_id).values(stat=Stat.BREAK))
        return row.stat


def _store(engine: Engine, task_id: str, **values: Any) -> None:
    with engine.begin() as connection:
        hold(connection, task_id)
        connection.execute(update(STATE).where(STATE.c.task_id == task_id).values(**values))


def _update(engine: Engine, task_id: str, before: Stat, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(update(STATE).where(STATE.c.task_id == task_id, STATE.c.stat == before).values(**values))


def _listed(numbers: list[int]) -> str | None:
    return ",".join(map(str, numbers)) or None
