"""Downloads of spins and listeners, the record of which version was fetched, and a job's own copy of the listeners.

A download whose files exist is skipped without contacting the remote side. An existing file is replaced once the new
one is complete, and never removed. Only one run at a time may download for a day; different days may at the same time.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from include.core.remote import RemoteFile, UnreachableError
from include.core.remote.stored import StoredFile
from include.core.storage import StoragePath, read_json, write_json, write_whole
from include.songs import layout
from include.songs.remote import Name
from include.songs.transfers import CutOffError, receive, remove_leftovers

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 4
"""Of a download, while its errors are transient."""
MAX_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Version:
    """Which content of spins or listeners."""

    sha256: str
    size: int
    """Length in bytes."""
    fetched_at: str | None = None
    """When it was last fetched, ISO 8601; `None`: it was put there by hand."""
    source: str | None = None
    """The address it came from, without secrets."""

    def as_json(self) -> dict[str, Any]:
        """Return the version as a JSON object."""
        return asdict(self)


def is_downloaded(root: StoragePath, name: Name, day: date) -> bool:
    """Return whether nothing of the spins, or the listeners, is left to download for a day."""
    return layout.has_spins(root, day) if name == "spins" else layout.has_listeners(root, day)


def download(
    root: StoragePath, name: Name, day: date, remote: RemoteFile, now: datetime, wait_seconds: float = 2.0
) -> Version | None:
    """
    Download the spins of a day, or the listeners on its behalf: the file that all days share, then the day's marker.

    Args:
        root: folder of the song plays.
        name: which of them.
        day: the day.
        remote: the remote file.
        now: the present, with its zone.
        wait_seconds: between first and second attempt; doubled for each further one.

    Returns:
        The version that was fetched; `None`: the files exist.

    Raises:
        MissingError: the remote file does not exist (any more).
        UnreachableError: all attempts met transient errors.
        RefusedError: it cannot be had.
        NotParquetError: it is not a Parquet file, or its end is missing.
        OSError: the file cannot be written.
    """
    if is_downloaded(root, name, day):
        log.info("%s: %s were fetched before, %s is not contacted", day, name, remote)
        return None
    aside = layout.incoming(root) / f"{name}-{day.isoformat()}"
    if name == "spins":
        record = layout.spins_record(root, day)
        return _fetch(remote, layout.spins_file(root, day), aside, wait_seconds, now, lambda _: record)
    version = _fetch(
        remote, layout.listeners_file(root), aside, wait_seconds, now, partial(layout.listeners_record, root)
    )
    write_whole(layout.marker(root, day), b"")
    return version


def snapshot_listeners(root: StoragePath, target: StoragePath, wait_seconds: float = 2.0) -> Version:
    """
    Copy the listeners as they are now, for a job that reads them while they may be replaced.

    Args:
        root: folder of the song plays.
        target: path of the copy, which is written whole or not at all.
        wait_seconds: as of `download`.

    Returns:
        Which listeners they are.

    Raises:
        MissingError: there are none.
        NotParquetError: the file is not Parquet.
        OSError: the copy cannot be written.
    """
    aside = target.parent / f".{target.name}"
    copied = _fetch(StoredFile(layout.listeners_file(root)), target, aside, wait_seconds)
    return _read(layout.listeners_record(root, copied.sha256)) or Version(copied.sha256, copied.size)


def spins_version(root: StoragePath, day: date) -> Version | None:
    """Return which spins were fetched for a day; `None`: it is not known."""
    return _read(layout.spins_record(root, day))


def _read(record: StoragePath) -> Version | None:
    known = read_json(record)
    return Version(**known) if known else None


def _fetch(
    remote: RemoteFile,
    target: StoragePath,
    aside: StoragePath,
    wait_seconds: float,
    now: datetime | None = None,
    record: Callable[[str], StoragePath] | None = None,
) -> Version:
    """Copy a file to *target*, its version to the *record* of its sha256 just before; each attempt starts anew."""
    remove_leftovers(aside)
    attempts = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, CutOffError | UnreachableError)),
        stop=stop_after_attempt(MAX_ATTEMPTS),
        wait=wait_exponential(multiplier=wait_seconds, max=MAX_WAIT_SECONDS),
        before_sleep=_log_attempt,
        reraise=True,
    )

    def attempt() -> Version:
        with remote.open() as body, receive(str(remote), body, target, aside) as (sha256, size):
            version = Version(sha256, size, now.isoformat() if now else None, str(remote))
            if record:
                write_json(record(sha256), version.as_json())
            return version

    version = attempts(attempt)
    log.info("%s: %d bytes, sha256 %s, written to %s", remote, version.size, version.sha256, target)
    return version


def _log_attempt(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("Attempt %d of %d failed: %s", state.attempt_number, MAX_ATTEMPTS, error)
