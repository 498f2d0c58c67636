"""Spins and listeners fetched by the rules of completeness; what was fetched, and a copy of it for a job.

A download whose files are there is skipped and asks nobody. A file of ours is replaced when the new one is complete,
and removed never. One run at a time may fetch for a day; different days may fetch at the same time.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from include.core.storage import StoragePath, read_json, write_json, write_whole
from include.songs import layout
from include.songs.remote import StoredFile
from include.songs.sources import NotReadyError, Source
from include.songs.transfers import CutOffError, received, sweep

log = logging.getLogger(__name__)

ATTEMPTS = 4
"""Of a download, while the trouble is of a kind that passes."""
MAX_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Version:
    """Which content of spins or listeners."""

    sha256: str
    size: int
    """Length in bytes."""
    fetched_at: str | None = None
    """When it was fetched last, ISO 8601; `None`: it was put there by hand."""
    source: str | None = None
    """Where it came from, without secrets."""

    def as_json(self) -> dict[str, Any]:
        """Give it in what JSON knows."""
        return asdict(self)


def download_spins(
    root: StoragePath, day: date, source: Source, now: datetime, wait_seconds: float = 2.0
) -> Version | None:
    """
    Fetch the spins of a day.

    Args:
        root: folder of the song plays.
        day: whose spins.
        source: the remote file.
        now: the present, with its zone.
        wait_seconds: between first and second attempt; doubled for each further one.

    Returns:
        What was fetched; `None`: the spins were there.

    Raises:
        NotReadyError: the remote file is not there (any more), or all attempts have met trouble that passes.
        RefusedError: it cannot be had.
        NotParquetError: it is something else, or its end is missing.
        OSError: the file cannot be written.
    """
    if layout.has_spins(root, day):
        log.info("%s: spins are there, %s is not asked", day, source)
        return None
    aside = layout.incoming(root) / f"spins-{day.isoformat()}"
    record = layout.spins_record(root, day)
    return _fetch(source, layout.spins_file(root, day), aside, wait_seconds, now, lambda _: record)


def download_listeners(
    root: StoragePath, day: date, source: Source, now: datetime, wait_seconds: float = 2.0
) -> Version | None:
    """
    Fetch the listeners on behalf of a day: the file that all days share, then the marker of the day.

    Args, Returns and Raises: as of `download_spins`.
    """
    if layout.has_listeners(root, day):
        log.info("%s: listeners were fetched for this day, %s is not asked", day, source)
        return None
    aside = layout.incoming(root) / f"listeners-{day.isoformat()}"
    record = partial(layout.listeners_record, root)
    version = _fetch(source, layout.listeners_file(root), aside, wait_seconds, now, record)
    write_whole(layout.marker(root, day), b"")
    return version


def snapshot_listeners(root: StoragePath, target: StoragePath, wait_seconds: float = 2.0) -> Version:
    """
    Copy the listeners as they are now, for a job that reads them while they may be replaced.

    Args:
        root: folder of the song plays.
        target: where the copy is put, whole or not at all.
        wait_seconds: as of `download_spins`.

    Returns:
        Which listeners they are.

    Raises:
        NotReadyError: there are none.
        NotParquetError: they are something else.
        OSError: the copy cannot be written.
    """
    aside = target.parent / f".{target.name}"
    copied = _fetch(StoredFile(layout.listeners_file(root)), target, aside, wait_seconds)
    return _read(layout.listeners_record(root, copied.sha256)) or Version(copied.sha256, copied.size)


def spins_version(root: StoragePath, day: date) -> Version | None:
    """Say which spins were fetched for a day; `None`: it is not known."""
    return _read(layout.spins_record(root, day))


def _read(record: StoragePath) -> Version | None:
    known = read_json(record)
    return Version(**known) if known else None


def _fetch(
    source: Source,
    target: StoragePath,
    aside: StoragePath,
    wait_seconds: float,
    now: datetime | None = None,
    record: Callable[[str], StoragePath] | None = None,
) -> Version:
    """Put a file in its place, and before that its version at the *record* of its sha256; attempts begin anew."""
    sweep(aside)
    attempts = Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=wait_seconds, max=MAX_WAIT_SECONDS),
        before_sleep=_log_attempt,
        reraise=True,
    )

    def attempt() -> Version:
        with source.open() as body, received(str(source), body, target, aside) as (sha256, size):
            version = Version(sha256, size, now.isoformat() if now else None, str(source))
            if record:
                write_json(record(sha256), version.as_json())
            return version

    version = attempts(attempt)
    log.info("%s: %d bytes, sha256 %s, put to %s", source, version.size, version.sha256, target)
    return version


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, CutOffError) or (isinstance(error, NotReadyError) and error.found.passing)


def _log_attempt(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("Attempt %d of %d: %s", state.attempt_number, ATTEMPTS, error)
