"""
Downloads of spins and listeners into storage, and a job's own copy of the listeners.

A download whose files exist is skipped without contacting the remote side, unless a failed run of the day has rejected
its copy. An existing file is replaced once the new one is complete, and never removed. Only one run at a time may
download for a day; different days may run in parallel.
"""

import logging
import math
from collections.abc import Callable
from datetime import date, datetime
from functools import partial

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from include.core.remote import RemoteFile, TooSlowError, UnreachableError
from include.core.remote.stored import StoredFile
from include.core.storage import StoragePath, write_json, write_whole
from include.songs import failures, layout
from include.songs.downloads.transfers import CutOffError, receive, remove_leftovers
from include.songs.downloads.versions import Version, listeners_version
from include.songs.schemas import NotParquetError, SourceName

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 4
"""Of a download, while its errors are transient."""
MAX_WAIT_SECONDS = 30.0


def is_downloaded(root: StoragePath, name: SourceName, day: date) -> bool:
    """Return whether the spins, or the listeners, are downloaded for a day, and not rejected."""
    return is_there(root, name, day) and failures.rejection(root, day, name) is None


def is_there(root: StoragePath, name: SourceName, day: date) -> bool:
    """Return whether the spins, or the listeners, were downloaded for a day, rejected or not."""
    return layout.has_spins(root, day) if name == "spins" else layout.has_listeners(root, day)


def download(
    root: StoragePath,
    name: SourceName,
    day: date,
    remote: RemoteFile,
    now: datetime,
    wait_seconds: float = 2.0,
    max_megabytes: float = math.inf,
) -> Version | None:
    """
    Download the spins of a day, or on its behalf the listeners: the file that all days share, then the day's marker.

    Args:
        root: the folder of the song plays.
        name: the source.
        day: the day.
        remote: its remote file.
        now: the present, with its zone.
        wait_seconds: between first and second attempt; doubled for each further one.
        max_megabytes: largest size of the file, in millions of bytes.

    Returns:
        The version that was downloaded; `None`: the files exist.

    Raises:
        MissingError: the remote file does not exist, or no longer.
        IncompleteError: all attempts ended before the end of the file.
        UnreachableError: all attempts met transient errors.
        RefusedError: the remote file cannot be read.
        NotParquetError: it is not a Parquet file.
        TooLargeError: it is too large.
        OSError: the file cannot be written.
    """
    if is_downloaded(root, name, day):
        log.info("%s: the %s were downloaded before; %s is not contacted", day, name, remote)
        return None
    aside = layout.incoming_file(root, name, day)
    if name == "spins":
        record = layout.spins_record(root, day)
        return _fetch(remote, layout.spins_file(root, day), aside, wait_seconds, max_megabytes, now, lambda _: record)
    record_of = partial(layout.listeners_record, root)
    version = _fetch(remote, layout.listeners_file(root), aside, wait_seconds, max_megabytes, now, record_of)
    write_whole(layout.marker(root, day), b"")
    return version


def snapshot_listeners(root: StoragePath, target: StoragePath, wait_seconds: float = 2.0) -> Version:
    """
    Copy the listeners as they are now, for a job that reads them while they may be replaced.

    Args:
        root: the folder of the song plays.
        target: path of the copy, which is written whole or not at all.
        wait_seconds: see `download`.

    Returns:
        The version of the listeners.

    Raises:
        MissingError: there are no listeners.
        NotParquetError: the file is not Parquet.
        OSError: the copy cannot be written.
    """
    try:
        copied = _fetch(StoredFile(layout.listeners_file(root)), target, layout.incoming_copy(target), wait_seconds)
    except CutOffError as error:  # it was whole when it was downloaded
        raise NotParquetError(str(error)) from error
    return listeners_version(root, copied.sha256) or Version(copied.sha256, copied.size)


def _fetch(
    remote: RemoteFile,
    target: StoragePath,
    aside: StoragePath,
    wait_seconds: float,
    max_megabytes: float = math.inf,
    now: datetime | None = None,
    record_of: Callable[[str], StoragePath] | None = None,
) -> Version:
    """Copy a file to *target*, and just before that its version to the record of its checksum."""
    remove_leftovers(aside)
    attempts = Retrying(
        retry=retry_if_exception(
            lambda error: isinstance(error, UnreachableError) and not isinstance(error, TooSlowError)
        ),
        stop=stop_after_attempt(MAX_ATTEMPTS),
        wait=wait_exponential(multiplier=wait_seconds, max=MAX_WAIT_SECONDS),
        before_sleep=_log_attempt,
        reraise=True,
    )

    def attempt() -> Version:
        with remote.open() as body, receive(str(remote), body, target, aside, max_megabytes) as (sha256, size):
            version = Version(sha256, size, now.isoformat() if now else None, str(remote))
            if record_of:
                write_json(record_of(sha256), version.as_json())
            return version

    version = attempts(attempt)
    log.info("%s: %d bytes, sha256 %s, written to %s", remote, version.size, version.sha256, target)
    return version


def _log_attempt(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("Attempt %d of %d failed: %s", state.attempt_number, MAX_ATTEMPTS, error)
