"""What housekeeping removes of the audience workflow: files in storage that ended tasks no longer need."""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from include.audience import layout
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

    from include.audience.task import Task

log = logging.getLogger(__name__)


def clean_tasks(
    folder: StoragePath,
    sweeper: Sweeper,
    ended: "Callable[[Task], bool]",
    authors_before: float | None,
    plans_before: float | None,
) -> Removed:
    """
    Remove files of tasks that have ended. A failed task can be resumed and keeps all its files.

    Args:
        folder: folder of the tasks' folders.
        sweeper: removes objects from the storage.
        ended: returns whether a task has ended.
        authors_before: remove author hashes of tasks that have not changed since; `None`: keep them.
        plans_before: remove plan, rules and source map of tasks that have not changed since; `None`: keep them.
    """
    done = Removed()
    for task_id, files in _tasks(folder).items():
        changed = max(stored.changed for stored in files.values())
        old: dict[str, StoredObject] = {}
        if authors_before and changed < authors_before:
            old |= {name: stored for name, stored in files.items() if layout.is_authors_file(name)}
        if plans_before and changed < plans_before:
            old |= {name: files[name] for name in layout.PINNED if name in files}
        if old and _may_go(folder / task_id, ended):
            named = {f"{task_id}/{name}": stored for name, stored in old.items()}
            done += sweeper.sweep(folder, named, f"files of the ended task {task_id}")
    return done


def _tasks(folder: StoragePath) -> Mapping[str, dict[str, StoredObject]]:
    found: dict[str, dict[str, StoredObject]] = {}
    for name, stored in walk_objects(folder).items():
        if parts := layout.split_task_file(name):
            task_id, file = parts
            found.setdefault(task_id, {})[file] = stored
    return found


def _may_go(folder: StoragePath, ended: "Callable[[Task], bool]") -> bool:
    from include.audience import plan  # imports pandas

    try:
        pinned = plan.load(folder)
        return pinned is None or ended(pinned.task)  # without a plan it was never started, or is partly removed
    except (BadDataError, TypeError, KeyError) as error:
        log.warning("%s is kept: %s", folder, error)
        return False


def has_ended(settings: AudienceSettings, task: "Task") -> bool:
    """
    Check in `state` whether a task has ended, or is no longer known.

    Raises:
        UnknownSchemaError: its result schema is not allowed, or does not exist.
        DBAPIError: the database cannot be queried.
    """
    from include.audience.results import state
    from include.core.database.engine import open_engine

    settings.check_output(task.output_schema)
    try:
        with open_engine(settings.result_url(task.output_schema), read_only=True) as engine:
            return is_over(state.read(engine, task.task_id))
    except FileNotFoundError:
        raise UnknownSchemaError(f"there is no result schema {task.output_schema}") from None


def is_over(row: "Row[Any] | None") -> bool:
    """Check whether a task is over: aborted, or labelled and produced, or without a row in `state`."""
    from include.audience.results.state import Stat

    return row is None or row.stat == Stat.BREAK or (row.stat == Stat.SUCCESS and row.prod_stat is not None)


def clean_previews(folder: StoragePath, sweeper: Sweeper, before: float | None) -> Removed:
    """Remove reports of previews that were written *before* a time; `None`: keep them."""
    if before is None:
        return Removed()
    old = {name: stored for name, stored in walk_objects(folder).items() if stored.changed < before}
    return sweeper.sweep(folder, old, "reports of previews") if old else Removed()


class AudienceRetention(RetentionSettings):
    """Retention of the files of labeling tasks."""

    authors_days: float = days_kept(90, "author hashes of ended labeling tasks")
    previews_days: float = days_kept(30, "reports of previews of rules, which quote posts")
    tasks_days: float = days_kept(0, "plan and rules of ended labeling tasks, which the coverage report reads")


def clean_audience(cleaning: Cleaning) -> Counts:
    """Remove files of ended labeling tasks, and reports of previews."""
    settings, labeling = AudienceRetention.load(), AudienceSettings.load()
    previews = clean_previews(
        layout.previews(cleaning.store.path), cleaning.sweeper, cleaning.before(settings, "previews_days")
    )
    done = clean_tasks(
        layout.tasks(cleaning.store.path),
        cleaning.sweeper,
        lambda task: has_ended(labeling, task),
        authors_before=cleaning.before(settings, "authors_days"),
        plans_before=cleaning.before(settings, "tasks_days"),
    )
    return (previews + done).as_json()


RETENTION = Retention(
    AudienceRetention,
    (
        Rule(
            "clean_audience",
            clean_audience,
            (
                Removal("author hashes of ended tasks", "90, `AUTHORS_DAYS`", "tasks that can be resumed"),
                Removal("reports of previews of rules", "30, `PREVIEWS_DAYS`", "younger ones"),
                Removal("plan and rules of ended tasks", "forever, `TASKS_DAYS`", "tasks that can be resumed"),
            ),
        ),
    ),
)
