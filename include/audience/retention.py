"""What of the labeling tasks may go: files in storage that an ended task needs no more."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from include.audience.settings import AudienceSettings, UnknownSchemaError
from include.core.errors import BadDataError
from include.core.retention import (
    Cleaning,
    Counts,
    Removal,
    Removed,
    Retention,
    RetentionSettings,
    Rule,
    Sweeper,
    days_kept,
)
from include.core.storage import StoragePath, StoredObject, walk_objects

if TYPE_CHECKING:
    from sqlalchemy import Row

    from include.audience.request import Task

log = logging.getLogger(__name__)

_TASK = re.compile(r"([0-9a-f]{32})/(.+)")
_AUTHORS = re.compile(r"authors/[0-9]+\.npz")
_PINNED = ("plan.json", "rules.csv", "source_map.json")
"""The plan goes first: nobody looks for the others without it."""


def clean_tasks(
    folder: StoragePath,
    sweeper: Sweeper,
    ended: "Callable[[Task], bool]",
    authors_before: float | None,
    plans_before: float | None,
) -> Removed:
    """
    Remove files of tasks that have come to their end. A task that failed can be resumed and keeps all.

    Args:
        folder: of the tasks' folders.
        sweeper: of the storage.
        ended: tells whether a task has come to its end.
        authors_before: the counted authors go if nothing of the task has changed since; `None`: they stay.
        plans_before: plan, rules and source map go if nothing of the task has changed since; `None`: they stay.
    """
    done = Removed()
    for task_id, files in _tasks(folder).items():
        changed = max(stored.changed for stored in files.values())
        old: dict[str, StoredObject] = {}
        if authors_before and changed < authors_before:
            old |= {name: stored for name, stored in files.items() if _AUTHORS.fullmatch(name)}
        if plans_before and changed < plans_before:
            old |= {name: files[name] for name in _PINNED if name in files}
        if old and _may_go(folder / task_id, ended):
            named = {f"{task_id}/{name}": stored for name, stored in old.items()}
            done += sweeper.sweep(folder, named, f"files of the ended task {task_id}")
    return done


def _tasks(folder: StoragePath) -> Mapping[str, dict[str, StoredObject]]:
    found: dict[str, dict[str, StoredObject]] = {}
    for name, stored in walk_objects(folder).items():
        if match := _TASK.fullmatch(name):
            found.setdefault(match[1], {})[match[2]] = stored
    return found


def _may_go(folder: StoragePath, ended: "Callable[[Task], bool]") -> bool:
    from include.audience import plan  # loads pandas

    try:
        pinned = plan.load(folder)
        return pinned is None or ended(pinned.task)  # without a plan it never began, or was removed in part
    except (BadDataError, TypeError, KeyError) as error:
        log.warning("%s stays: %s", folder, error)
        return False


def has_ended(settings: AudienceSettings, task: "Task") -> bool:
    """
    Look into `state` whether a task has come to its end, or is not known any more.

    Raises:
        UnknownSchemaError: its result schema is not allowed, or not there.
        DBAPIError: the database cannot be asked.
    """
    from include.audience import state
    from include.core.database.engine import open_engine

    settings.check_output(task.output_schema)
    try:
        with open_engine(settings.result_url(task.output_schema), read_only=True) as engine:
            return is_over(state.read(engine, task.task_id))
    except FileNotFoundError:
        raise UnknownSchemaError(f"there is no result schema {task.output_schema}") from None


def is_over(row: "Row[Any] | None") -> bool:
    """Tell whether nothing is left to do for a task: it was aborted, or labelled and produced, or its row is gone."""
    from include.audience.state import Stat

    return row is None or row.stat == Stat.BREAK or (row.stat == Stat.SUCCESS and row.prod_stat is not None)


class AudienceRetention(RetentionSettings):
    """How long what the audience workflow leaves behind is kept."""

    authors_days: float = days_kept(90, "counted authors of ended labeling tasks")
    tasks_days: float = days_kept(0, "plan and rules of ended labeling tasks, which their coverage report needs")


def clean_audience(cleaning: Cleaning) -> Counts:
    """Remove files of labeling tasks that have ended."""
    settings, labeling = AudienceRetention.load(), AudienceSettings.load()
    return clean_tasks(
        cleaning.store.path / "tasks",
        cleaning.sweeper,
        lambda task: has_ended(labeling, task),
        authors_before=cleaning.before(settings, "authors_days"),
        plans_before=cleaning.before(settings, "tasks_days"),
    ).as_json()


RETENTION = Retention(
    AudienceRetention,
    (
        Rule(
            "clean_audience",
            clean_audience,
            (
                Removal("counted authors of ended tasks", "90, `AUTHORS_DAYS`", "tasks that can be resumed"),
                Removal("plan and rules of ended tasks", "forever, `TASKS_DAYS`", "tasks that can be resumed"),
            ),
        ),
    ),
)
