"""Failures of a labeling task, stored in the table `state`."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from include.audience.results import batches, state, tables
from include.audience.settings import AudienceSettings
from include.audience.task import Task
from include.core.database.engine import open_engine
from include.core.database.errors import classify_errors
from include.core.errors import BadDataError, NothingToDoError
from include.core.text import printable

log = logging.getLogger(__name__)

PRODUCTION_FAILED = "production failed: "
"""Beginning of the error of a task that is labelled and has no results yet."""
NO_ERROR = "a task ended without an error message; see its log in Airflow"


class LabelingFailedError(BadDataError):
    """Not all batches were labelled; clearing the failed tasks in Airflow resumes labeling."""


@contextmanager
def noting_errors(engine: Engine, task: Task, settings: AudienceSettings, prefix: str = "") -> Iterator[None]:
    """Store the text of an error, after *prefix* and without passwords, and raise it again."""
    try:
        with classify_errors():
            yield
    except (NothingToDoError, LabelingFailedError):  # `state` has it already
        raise
    except Exception as error:
        try:
            state.note_error(engine, task.task_id, settings.without_secrets(f"{prefix}{_text(error)}"))
        except Exception:
            log.exception("The error could not be stored in the table state")
        raise


def record_labeling(engine: Engine, task: Task) -> str:
    """Store the failure of the label stage, and return a description of it."""
    row, progress = state.read(engine, task.task_id), batches.progress(engine, task.task_id)
    check_point = min((each.check_point for each in progress if each.check_point), default=task.start_time)
    error = str((row and row.error_message) or NO_ERROR)
    state.fail(engine, task.task_id, check_point, error)
    return f"labeling stopped at {check_point}: {error}; to resume, clear the failed tasks in Airflow"


def record_end(engine: Engine, task: Task) -> None:
    """Store that a run has failed, unless that is stored, or its task has ended."""
    row = state.read(engine, task.task_id)
    if row is None or row.stat != state.Stat.SUCCESS:
        record_labeling(engine, task)
    elif row.prod_stat is None and not (row.error_message or "").startswith(PRODUCTION_FAILED):
        state.note_error(engine, task.task_id, f"{PRODUCTION_FAILED}{NO_ERROR}")


def record_refused(
    settings: AudienceSettings,
    params: Mapping[str, Any],
    task_id: str,
    dag_run_id: str,
    error: Exception,
    instant: float,
) -> None:
    """
    Insert the task of a run whose params are invalid, as failed, so that it is listed; a failure to do so is logged.

    Args:
        settings: settings of the workflow.
        params: the params.
        task_id: id of the task.
        dag_run_id: id of the DAG run.
        error: what is wrong with the params.
        instant: current time in seconds since 1970.
    """
    row = {
        "task_id": task_id,
        "stat": state.Stat.FAILURE,
        "model_type": _shown(params, "model_type")[:32],
        "predict_type": _shown(params, "predict_type")[:32],
        "date_range": f"{_shown(params, 'start_time')} - {_shown(params, 'end_time')}",
        "target_table": (_shown(params, "target_schema") or settings.input_schema)[:64],
        "create_time": datetime.fromtimestamp(instant, settings.zone).replace(microsecond=0, tzinfo=None),
        "result": "",
        "error_message": str(error)[: state.MAX_ERROR_CHARACTERS],
        "dag_run_id": dag_run_id,
        "inserted": int(instant * 1e6),
    }
    try:
        with open_engine(settings.result_url(settings.output_schema)) as engine:
            tables.ensure(engine, [tables.STATE])
            state.insert_failed(engine, row)
    except Exception:
        log.exception("The refused task could not be stored in the table state")


def _shown(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name)
    return "" if value is None else printable(str(value)).replace("\0", "")[:40]


def _text(error: Exception) -> str:
    """Return the text of an error without the SQL statement that caused it."""
    if isinstance(error, BadDataError):
        return str(error)
    return f"{type(error).__name__}: {error.orig if isinstance(error, DBAPIError) else error}"
