"""Housekeeping: how long things are kept, and the one place where stored objects are removed.

Ages count from the moment at which the store itself noticed the last change.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from include.core.objects import StoragePath, StoredObject, find_object, is_local, local_path, walk_objects
from include.core.settings import Settings

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400
MOST_DAYS = 36_500
LEAST_HISTORY_DAYS = 30


def _days(default: float, what: str) -> float:
    return Field(default=default, ge=0, le=MOST_DAYS, description=f"days that {what} are kept; 0: for ever")


class HousekeepingSettings(Settings):
    """What the DAG `housekeeping` keeps, and for how long."""

    model_config = SettingsConfigDict(env_prefix="QUARTET_KEEP_")

    reports_days: float = _days(90, "reports of ratings runs, beyond the 100 newest that the API shows,")
    predictions_days: float = _days(0, "a former champion's answers that the champion has given, too,")
    models: int = Field(
        default=0,
        ge=0,
        description="newest rating models, and last champions, that are kept besides all that are in use; 0: all are",
    )
    deleted_runs_days: float = _days(30, "runs that were deleted in MLflow")
    extracts_days: float = _days(60, "extracts of article events, beyond the dates that a run reads,")
    article_runs_days: float = _days(30, "tables of article runs that failed, or whose newsroom is gone,")
    authors_days: float = _days(90, "counted authors of ended labeling tasks")
    tasks_days: float = _days(0, "plan and rules of ended labeling tasks, which their coverage report reads,")
    incoming_days: float = _days(7, "broken downloads and a job's copies of song plays")
    leases_days: float = _days(30, "leases of song days that have run out")
    listeners_days: float = _days(90, "records of fetched listeners that no day was made from")
    logs_days: float = _days(90, "log files on a local disk")
    history_days: float = Field(
        default=365,
        description=f"days that runs, events and audit records in Airflow's database are kept, {LEAST_HISTORY_DAYS} or "
        "more; 0: for ever",
    )

    @field_validator("history_days")
    @classmethod
    def _long_enough(cls, days: float) -> float:
        if days == 0 or LEAST_HISTORY_DAYS <= days <= MOST_DAYS:
            return days
        raise ValueError("runs that wait or can be resumed would go")


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
class Broom:
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


def clean_logs(folder: Path, broom: Broom, before: float) -> Removed:
    """Remove log files below a local *folder*: all that are named `….log` or `….log.…` and last written *before*."""
    listed = walk_objects(folder)
    names = {name: name.rpartition("/")[2] for name in listed}
    old = {
        name: stored
        for name, stored in listed.items()
        if stored.changed < before and (names[name].endswith(".log") or ".log." in names[name])
    }
    return broom.sweep(folder, old, f"of {len(listed)} files")
