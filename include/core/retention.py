"""Retention: how long things are kept, and the one place where stored objects are removed.

Ages count from the moment at which the store itself noticed the last change.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from include.core.registry import ModelVersions
from include.core.settings import Settings
from include.core.storage import (
    StoragePath,
    Store,
    StoredObject,
    find_object,
    is_local,
    local_path,
    walk_objects,
)

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400
MAX_DAYS = 36_500
MIN_HISTORY_DAYS = 30
Counts = dict[str, int]


def days_kept(default: float, what: str) -> float:
    """Build a setting: the number of days that *what* is kept."""
    return Field(default=default, ge=0, le=MAX_DAYS, description=f"days that {what} are kept; 0: for ever")


class RetentionSettings(Settings):
    """Base of the settings that say how long a workflow's data are kept; all share the prefix `QUARTET_KEEP_`."""

    model_config = SettingsConfigDict(env_prefix="QUARTET_KEEP_")


class PlatformRetention(RetentionSettings):
    """How long what belongs to no workflow is kept."""

    deleted_runs_days: float = days_kept(30, "runs that were deleted in MLflow")
    logs_days: float = days_kept(90, "log files on a local disk")
    history_days: float = Field(
        default=365,
        description=f"days that runs, events and audit records in Airflow's database are kept, {MIN_HISTORY_DAYS} or "
        "more; 0: for ever",
    )

    @field_validator("history_days")
    @classmethod
    def _long_enough(cls, days: float) -> float:
        if days == 0 or MIN_HISTORY_DAYS <= days <= MAX_DAYS:
            return days
        raise ValueError("runs that wait or can be resumed would go")


@dataclass(frozen=True)
class Removal:
    """A row of the table on the page of `housekeeping`."""

    what: str
    """What is removed."""
    days: str
    """After how many days, and the setting that says so."""
    kept: str
    """What stays in any case."""


@dataclass(frozen=True)
class Rule:
    """One task of `housekeeping`."""

    task_id: str
    clean: "Callable[[Cleaning], Counts]"
    """Removes what has had its time, and counts it. It may die at any line and be run again."""
    removals: tuple[Removal, ...]

    def table(self) -> str:
        """Return the rows of the table of tasks, in Markdown."""
        names = [f" `{self.task_id}` ", *[" "] * (len(self.removals) - 1)]
        rows = zip(names, self.removals, strict=True)
        return "\n".join(f"|{name}| {row.what} | {row.days} | {row.kept} |" for name, row in rows)


@dataclass(frozen=True)
class Retention:
    """What housekeeping removes of a workflow."""

    settings: type[RetentionSettings] = RetentionSettings
    rules: tuple[Rule, ...] = ()


def cutoff(now: float, days: float) -> float | None:
    """Give the instant before which things of *days* have had their time; `None`: they are kept for ever."""
    return now - days * DAY_SECONDS if days else None


@dataclass(frozen=True)
class Removed:
    """What has gone."""

    objects: int = 0
    bytes: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.objects + other.objects, self.bytes + other.bytes)

    def as_json(self) -> dict[str, int]:
        """Give it in what JSON knows."""
        return asdict(self)


@dataclass
class Sweeper:
    """
    Removes objects below one folder, and counts.

    No link is removed and nothing that lies behind one, so nothing outside of the folder either; nor what has changed
    since it was listed.
    """

    root: StoragePath
    """Nothing outside is removed."""
    dry_run: bool = False
    """Only say what would be done."""
    removed: Removed = field(default_factory=Removed)

    def sweep(self, folder: StoragePath, old: Mapping[str, StoredObject], what: str) -> Removed:
        """
        Remove objects, in the order given, and local folders that are empty then.

        Args:
            folder: below the root; it stays itself.
            old: name below *folder* → object, as a listing gave it.
            what: they are, for the log.
        """
        done = Removed()
        for name, listed in old.items():
            path = folder / name
            if self.reaches(path) and (found := find_object(path)) and _same(found, listed):
                if not self.dry_run:
                    path.unlink(missing_ok=True)
                    _prune(folder, path)
                done += Removed(1, listed.size)
        log.info(
            "%s: %d %s of %d bytes %s",
            *(folder, done.objects, what, done.bytes, "would be removed" if self.dry_run else "removed"),
        )
        self.removed += done
        return done

    def sweep_away(self, folder: StoragePath, what: str) -> Removed:
        """Remove all objects in *folder*, and itself if it is local."""
        listed = {f"{folder.name}/{name}": stored for name, stored in walk_objects(folder).items()}
        return self.sweep(folder.parent, listed, what)

    def reaches(self, path: StoragePath) -> bool:
        """Tell whether *path* is below the root, no link itself and behind none; an object store has no links."""
        if not is_local(path):
            return True
        root, there = local_path(self.root), local_path(path)
        if there.resolve() == root.resolve() / there.relative_to(root):
            return True
        log.warning("%s stays: it is a link, or behind one", path)
        return False


@dataclass(frozen=True)
class Cleaning:
    """What a retention rule works with."""

    store: Store
    """The workflow's folder."""
    sweeper: "Sweeper"
    """Removes objects of the storage, or only counts them in a dry run."""
    now: float
    """Seconds since 1970."""
    open_registry: Callable[[str], AbstractContextManager[ModelVersions]]
    """Opens the versions of a registered model."""
    variable: Callable[[str], Any]
    """Reads an Airflow Variable that holds a JSON object; empty if it is not set."""

    def before(self, settings: RetentionSettings, field: str) -> float | None:
        """Return the instant before which things may go by the setting *field*, and log it; `None`: all is kept."""
        days = getattr(settings, field)
        before = cutoff(self.now, days)
        what = f"what is from before {datetime.fromtimestamp(before, UTC):%Y-%m-%d %H:%M}" if before else "nothing"
        log.info("%s=%g: %s may go", settings.variable(field), days, what)
        return before


def _same(found: StoredObject, listed: StoredObject) -> bool:
    # some stores tell the time of a change less exactly in a listing
    return found.size == listed.size and (found.tag == listed.tag if found.tag else found.changed == listed.changed)


def _prune(folder: StoragePath, path: StoragePath) -> None:
    """Remove the folders between *folder* and a removed local file that are empty now."""
    if is_local(path):
        top = local_path(folder)
        with suppress(OSError):  # not empty, or gone
            for parent in local_path(path).parents:
                if parent == top:
                    break
                parent.rmdir()


def clean_logs(folder: Path, sweeper: Sweeper, before: float) -> Removed:
    """Remove log files below a local *folder*: all that are named `….log` or `….log.…` and last written *before*."""
    listed = walk_objects(folder)
    names = {name: name.rpartition("/")[2] for name in listed}
    old = {
        name: stored
        for name, stored in listed.items()
        if stored.changed < before and (names[name].endswith(".log") or ".log." in names[name])
    }
    return sweeper.sweep(folder, old, f"of {len(listed)} files")
