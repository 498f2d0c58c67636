"""The plan of a task: rules, source map, windows and batches, fixed once and kept in storage."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from include.audience import layout
from include.audience.rules import files
from include.audience.rules.ruleset import Rules
from include.audience.settings import AudienceSettings, TiePolicy
from include.audience.source import source_map
from include.audience.source.oddities import Oddities
from include.audience.source.posts import Source
from include.audience.source.source_map import SourceMap
from include.audience.source.windows import Stretch, Windows, batches, stretches
from include.audience.task import Task
from include.core.errors import BadDataError, DamagedObjectError
from include.core.storage import StoragePath, read_bytes, read_json, write_json, write_whole

log = logging.getLogger(__name__)

STRETCH_ROWS = 60_000
"""Approximate number of rows that are read, cleaned and written together; a larger window is read in parts."""


class NoPlanError(BadDataError):
    """The task has no plan."""


@dataclass(frozen=True)
class Plan:
    """
    A pinned task.

    Attributes:
        task: the task.
        window_hours: length of a window.
        ties: treatment of authors whose top panels tie.
        rules_checksum: checksum of the pinned rules.
        map_checksum: checksum of the pinned source map.
        batches: the stretches of each batch, in order.
        oddities: posts that no batch reads since their time is unreadable, as of `Oddities.as_json`.
        warnings: what is probably not meant in the rules.
    """

    task: Task
    window_hours: int
    ties: TiePolicy
    rules_checksum: str
    map_checksum: str
    batches: list[list[Stretch]]
    oddities: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def windows(self) -> Windows:
        """Windows of the task's time range."""
        return Windows(self.task.start_time, self.task.end_time, self.window_hours)


def make(task: Task, settings: AudienceSettings, source: Source, folder: StoragePath) -> Plan:
    """
    Pin a task and return its plan; a plan that exists already is returned unchanged.

    Args:
        task: the task.
        settings: location of rules and map, size of windows and batches.
        source: source table, whose rows are counted.
        folder: the task's folder in storage.

    Raises:
        BadDataError: the time range, the rules or the map are invalid, or too many posts are unreadable.
    """
    if known := load(folder):
        return known
    task.check()
    rules = files.read(settings.rules_dir, task.model_type, task.predict_type)
    for warning in rules.warnings:
        log.warning("%s", warning)
    tables = source_map.read(settings.source_map)
    windows = Windows(task.start_time, task.end_time, settings.window_hours)
    source.check()
    source.warn_without_index()
    oddities = Oddities()
    rows = source.count(windows, oddities)
    if oddities.total:
        log.warning("%s", oddities)
    oddities.check(sum(rows.values()), settings.max_unreadable_ratio, settings.variable("max_unreadable_ratio"))
    cut = batches(len(windows), rows, settings.batch_rows, settings.max_batches)
    plan = Plan(
        task,
        settings.window_hours,
        settings.tie_policy,
        rules.checksum,
        tables.checksum,
        [list(stretches(batch, rows, STRETCH_ROWS)) for batch in cut],
        oddities.as_json(),
        rules.warnings,
    )
    write_whole(layout.rules_file(folder), rules.as_csv().encode())
    write_whole(layout.source_map_file(folder), tables.as_json().encode())
    write_json(layout.plan_file(folder), asdict(plan) | {"task": task.as_json()})
    return plan


def load(folder: StoragePath) -> Plan | None:
    """Return the plan of a task, or `None` if it has none."""
    fields: dict[str, Any] | None = read_json(layout.plan_file(folder))
    if fields is None:
        return None
    fields["batches"] = [[(first, last) for first, last in batch] for batch in fields["batches"]]
    fields["task"] = Task.from_json(fields["task"])
    return Plan(**fields)


def load_rules(folder: StoragePath, plan: Plan) -> Rules:
    """
    Return the pinned rules.

    Raises:
        DamagedObjectError: the file is not what was pinned.
    """
    file = layout.rules_file(folder)
    with _intact(file):
        text = read_bytes(file).decode()
        rules = files.parse_csv(text, plan.task.model_type, plan.task.predict_type, file.name)
        _check(rules.checksum, plan.rules_checksum)
    return rules


def load_source_map(folder: StoragePath, plan: Plan) -> SourceMap:
    """Return the pinned source map; raises like `load_rules`."""
    file = layout.source_map_file(folder)
    with _intact(file):
        tables = source_map.parse(read_bytes(file).decode(), file.name)
        _check(tables.checksum, plan.map_checksum)
    return tables


def _check(found: str, expected: str) -> None:
    if found != expected:
        raise ValueError(f"checksum {expected} was expected, found {found}")


@contextmanager
def _intact(file: StoragePath) -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # not UTF-8, not parseable, or another content
        raise DamagedObjectError(f"{file} is damaged: {error}") from error
