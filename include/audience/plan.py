"""What a task works on, fixed once: rules, source map, windows, batches. It lies in storage until nobody needs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from include.audience import rules, source_map
from include.audience.cleaning import TiePolicy
from include.audience.request import Task
from include.audience.rules import Rules
from include.audience.settings import AudienceSettings
from include.audience.source import Source
from include.audience.source_map import SourceMap
from include.audience.windows import Stretch, Windows, batches, stretches
from include.core.errors import BadDataError, DamagedObjectError
from include.core.storage import StoragePath, read_bytes, read_json, write_json, write_whole

STRETCH_ROWS = 60_000
"""Rows that are read, cleaned and written together, about; a window with more is read in parts."""


class NoPlanError(BadDataError):
    """The task has not been opened."""


@dataclass(frozen=True)
class Plan:
    """
    A pinned task.

    Attributes:
        task: the request.
        window_hours: length of a window.
        ties: what becomes of an author with two panels at the top.
        rules_checksum: of the pinned rules.
        map_checksum: of the pinned source map.
        batches: for each label task the stretches that it works through, one after the other.
    """

    task: Task
    window_hours: int
    ties: TiePolicy
    rules_checksum: str
    map_checksum: str
    batches: list[list[Stretch]]

    @property
    def windows(self) -> Windows:
        """The windows of the task's range."""
        return Windows(self.task.start_time, self.task.end_time, self.window_hours)


def make(task: Task, settings: AudienceSettings, source: Source, folder: StoragePath) -> Plan:
    """
    Pin a task, or give the plan that it has already.

    Args:
        task: the request.
        settings: where rules and map are, how batches are cut.
        source: the source table, whose rows are counted.
        folder: the task's folder in storage.

    Raises:
        BadDataError: range, rules or map are not valid.
    """
    if known := load(folder):
        return known
    task.check()
    pinned = rules.read(settings.rules_dir, task.model_type, task.predict_type)
    tables = source_map.read(settings.source_map)
    windows = Windows(task.start_time, task.end_time, settings.window_hours)
    source.warn_without_index()
    rows = source.count(windows)
    cut = batches(len(windows), rows, settings.batch_rows, settings.max_batches)
    plan = Plan(
        task,
        settings.window_hours,
        settings.tie_policy,
        pinned.checksum,
        tables.checksum,
        [list(stretches(batch, rows, STRETCH_ROWS)) for batch in cut],
    )
    write_whole(folder / "rules.csv", pinned.as_csv().encode())
    write_whole(folder / "source_map.json", tables.as_json().encode())
    write_json(folder / "plan.json", asdict(plan) | {"task": task.as_json()})
    return plan


def load(folder: StoragePath) -> Plan | None:
    """Give the plan of a task; `None`: it has none."""
    fields: dict[str, Any] | None = read_json(folder / "plan.json")
    if fields is None:
        return None
    fields["batches"] = [[(first, last) for first, last in batch] for batch in fields["batches"]]
    fields["task"] = Task.from_json(fields["task"])
    return Plan(**fields)


def load_rules(folder: StoragePath, plan: Plan) -> Rules:
    """
    Give the pinned rules.

    Raises:
        DamagedObjectError: they are not what was pinned.
    """
    with _intact(folder / "rules.csv"):
        text = read_bytes(folder / "rules.csv").decode()
        found = rules.parse_csv(text, plan.task.model_type, plan.task.predict_type, "rules.csv")
        _check(found.checksum, plan.rules_checksum)
    return found


def load_source_map(folder: StoragePath, plan: Plan) -> SourceMap:
    """Give the pinned source map; raises like `load_rules`."""
    with _intact(folder / "source_map.json"):
        found = source_map.parse(read_bytes(folder / "source_map.json").decode(), "source_map.json")
        _check(found.checksum, plan.map_checksum)
    return found


def _check(found: str, expected: str) -> None:
    if found != expected:
        raise ValueError(f"checksum {expected} was expected, found {found}")


@contextmanager
def _intact(path: StoragePath) -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # not UTF-8, cannot be parsed, or is something else
        raise DamagedObjectError(f"{path} is damaged: {error}") from error
