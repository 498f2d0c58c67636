"""Retention: how long data is kept, and the only place where stored objects are removed.

Ages count from the last change as the store recorded it.
"""

import logging
from collections.abc import Callable, Mapping
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
    is_behind_link,
    prune,
    walk_objects,
)

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400
MAX_DAYS = 36_500
MIN_HISTORY_DAYS = 30
Counts = dict[str, int]


def days_kept(default: float, what: str) -> float:
    """Build a setting: the number of days to keep *what*."""
    return Field(default=default, ge=0, le=MAX_DAYS, description=f"days to keep {what}; 0: forever")


class RetentionSettings(Settings):
    """Base class of the retention settings of a workflow; all share the prefix `QUARTET_KEEP_`."""

    model_config = SettingsConfigDict(env_prefix="QUARTET_KEEP_")


class PlatformRetention(RetentionSettings):
    """Retention of data that belongs to no workflow."""

    deleted_runs_days: float = days_kept(30, "runs that were deleted in MLflow")
    logs_days: float = days_kept(90, "log files on a local disk")
    history_days: float = Field(
        default=365,
        description=f"days to keep runs, events and audit records in Airflow's database, {MIN_HISTORY_DAYS} or more; "
        "0: forever",
    )

    @field_validator("history_days")
    @classmethod
    def _long_enough(cls, days: float) -> float:
        if days == 0 or MIN_HISTORY_DAYS <= days <= MAX_DAYS:
            return days
        raise ValueError("this would remove runs that are waiting or can be resumed")


@dataclass(frozen=True)
class Removal:
    """A row of the table on the page of `housekeeping`."""

    what: str
    """What is removed."""
    days: str
    """Default number of days, and the setting for it."""
    kept: str
    """What is never removed."""


@dataclass(frozen=True)
class Rule:
    """One task of `housekeeping`."""

    task_id: str
    clean: "Callable[[Cleaning], Counts]"
    """Removes expired data and counts it; may be killed at any line and run again."""
    removals: tuple[Removal, ...]

    def table(self) -> str:
        """Return the rows of the table of tasks, in Markdown."""
        names = [f" `{self.task_id}` ", *[" "] * (len(self.removals) - 1)]
        rows = zip(names, self.removals, strict=True)
        return "\n".join(f"|{name}| {row.what} | {row.days} | {row.kept} |" for name, row in rows)


@dataclass(frozen=True)
class Retention:
    """What housekeeping removes from a workflow's data."""

    settings: type[RetentionSettings] = RetentionSettings
    rules: tuple[Rule, ...] = ()


def cutoff(now: float, days: float) -> float | None:
    """Return the instant before which data is expired when it is kept for *days*; `None` when it is kept forever."""
    return now - days * DAY_SECONDS if days else None


@dataclass(frozen=True)
class Removed:
    """Number and size of the removed objects."""

    objects: int = 0
    bytes: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.objects + other.objects, self.bytes + other.bytes)

    def as_json(self) -> dict[str, int]:
        """Return the counts as a JSON object."""
        return asdict(self)


@dataclass
class Sweeper:
    """
    Removes and counts objects below one folder.

    It never removes a symbolic link or anything behind one, and so nothing outside the folder; nor an object that has
    changed since it was listed.
    """

    root: StoragePath
    """Folder that limits the removals."""
    dry_run: bool = False
    """Whether to only count and log what would be removed."""
    removed: Removed = field(default_factory=Removed)

    def sweep(self, folder: StoragePath, old: Mapping[str, StoredObject], what: str) -> Removed:
        """
        Remove objects, in the order given, and local folders that become empty.

        Args:
            folder: folder below the root; it is kept itself.
            old: name below *folder* → object, as it was listed.
            what: description of the objects, for the log.
        """
        done = Removed()
        for name, listed in old.items():
            path = folder / name
            if self.reaches(path) and (found := find_object(path)) and _same(found, listed):
                if not self.dry_run:
                    path.unlink(missing_ok=True)
                    prune(folder, path)
                done += Removed(1, listed.size)
        log.info(
            "%s: %d %s of %d bytes %s",
            *(folder, done.objects, what, done.bytes, "would be removed" if self.dry_run else "removed"),
        )
        self.removed += done
        return done

    def sweep_away(self, folder: StoragePath, what: str) -> Removed:
        """Remove all objects in *folder*, and the folder itself if it is local."""
        listed = {f"{folder.name}/{name}": stored for name, stored in walk_objects(folder).items()}
        return self.sweep(folder.parent, listed, what)

    def reaches(self, path: StoragePath) -> bool:
        """Check that *path* is below the root and neither a link nor behind one; object stores have no links."""
        if is_behind_link(self.root, path):
            log.warning("%s is kept: it is a symbolic link, or behind one", path)
            return False
        return True


@dataclass(frozen=True)
class Cleaning:
    """Everything a retention rule needs to run."""

    store: Store
    """The workflow's folder."""
    sweeper: "Sweeper"
    """Removes objects from the storage, or only counts them in a dry run."""
    now: float
    """Seconds since 1970."""
    model_versions: Callable[[str], ModelVersions]
    """Returns the versions of a registered model, by its name."""
    variable: Callable[[str], Any]
    """Reads an Airflow Variable that holds a JSON object, empty if it is not set; anything else is a `BadDataError`."""

    def before(self, settings: RetentionSettings, field: str) -> float | None:
        """Return the instant before which the setting *field* lets data expire, and log it; `None`: all is kept."""
        days = getattr(settings, field)
        before = cutoff(self.now, days)
        what = f"data older than {datetime.fromtimestamp(before, UTC):%Y-%m-%d %H:%M}" if before else "nothing"
        log.info("%s=%g: %s may be removed", settings.variable(field), days, what)
        return before


def _same(found: StoredObject, listed: StoredObject) -> bool:
    # some stores report the time of a change less precisely in a listing
    return found.size == listed.size and (found.tag == listed.tag if found.tag else found.changed == listed.changed)


def clean_logs(folder: Path, sweeper: Sweeper, before: float) -> Removed:
    """Remove log files (`….log` and `….log.…`) below a local *folder* that were last written *before* an instant."""
    listed = walk_objects(folder)
    names = {name: name.rpartition("/")[2] for name in listed}
    old = {
        name: stored
        for name, stored in listed.items()
        if stored.changed < before and (names[name].endswith(".log") or ".log." in names[name])
    }
    return sweeper.sweep(folder, old, f"of {len(listed)} files")
