"""Failures of a labeling task, stored in the table `state`."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from include.audience.results import batches, state
from include.audience.settings import AudienceSettings
from include.audience.task import Task
from include.core.database.errors import classify_errors
from include.core.errors import BadDataError, NothingToDoError

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


def _text(error: Exception) -> str:
    """Return the text of an error without the SQL statement that caused it."""
    if isinstance(error, BadDataError):
        return str(error)
    return f"{type(error).__name__}: {error.orig if isinstance(error, DBAPIError) else error}"
