"""Failure of a day: why its last job or check failed, and which downloaded copies are to be fetched again for it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime

from include.core.errors import BadDataError, DamagedObjectError
from include.core.storage import (
    StoragePath,
    find_object,
    list_objects,
    read_bytes,
    read_json,
    remove_object,
    write_json,
)
from include.songs import layout
from include.songs.schemas import SourceError, SourceName


@dataclass(frozen=True)
class Failure:
    """Failure of a day because of its data."""

    error: str
    run_id: str
    """Name of the DAG run."""
    failed_at: str
    """ISO 8601."""
    rejected: Mapping[str, str] = field(default_factory=dict)
    """Source → fingerprint of its copy: the next run fetches it again. A copy that was replaced has another one."""
    usable: bool = False
    """Whether the rejected copies may be used again if there is nothing to fetch: they are readable."""


def record(
    root: StoragePath,
    day: date,
    error: BadDataError,
    run_id: str,
    now: datetime,
    listeners_sha256: str | None = None,
) -> None:
    """
    Write the failure of a day; an earlier one is replaced.

    An error that names a source rejects the copy of that one; any other error, such as too few rows, rejects both.

    Args:
        root: the folder of the song plays.
        day: the day.
        error: why it failed.
        run_id: name of the run.
        now: the present, with its zone.
        listeners_sha256: checksum of the listeners that the job read; others that have replaced them are not rejected.
            `None`: it is unknown, and the present ones are meant.
    """
    named = error.source if isinstance(error, SourceError) else None
    sources: tuple[SourceName, ...] = (named,) if named else ("spins", "listeners")
    rejected = {name: copy for name in sources if (copy := _fingerprint(root, day, name))}
    if listeners_sha256 and "listeners" in rejected and not _are_listeners(root, listeners_sha256):
        del rejected["listeners"]
    failure = Failure(str(error), run_id, now.isoformat(), rejected, usable=named is None)
    write_json(layout.failure_file(root, day), asdict(failure))


def read(root: StoragePath, day: date) -> Failure | None:
    """Return the failure of a day; `None`: there is none."""
    found = read_json(layout.failure_file(root, day))
    return Failure(**found) if found else None


def remove(root: StoragePath, day: date) -> None:
    """Remove the failure of a day, if there is one."""
    remove_object(layout.failure_file(root, day))


def failed_days(root: StoragePath) -> set[date]:
    """Return the days that have a failure."""
    return {layout.parse_day(name.removesuffix(".json")) for name in list_objects(layout.failures(root))}


def rejection(root: StoragePath, day: date, name: SourceName) -> Failure | None:
    """Return the failure that rejects the present copy of a source; `None`: nothing is wrong with it."""
    failure = read(root, day)
    if failure and (rejected := failure.rejected.get(name)) and rejected == _fingerprint(root, day, name):
        return failure
    return None


def _are_listeners(root: StoragePath, sha256: str) -> bool:
    """Return whether the present listeners have this checksum."""
    try:
        read_bytes(layout.listeners_file(root), sha256)
    except (FileNotFoundError, DamagedObjectError):
        return False
    return True


def _fingerprint(root: StoragePath, day: date, name: SourceName) -> str | None:
    path = layout.spins_file(root, day) if name == "spins" else layout.listeners_file(root)
    found = find_object(path)
    return found.fingerprint if found else None
