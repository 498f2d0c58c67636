"""The remote files of song plays: where they are, and what a look at one can find.

A file is there, not there yet, or refused. Not there yet: it is missing (HTTP 403, 404, 410; no such local file; S3's
403 or 404), or one cannot tell because of trouble that passes (429, 5xx, timeouts, no connection, no such host).
Anything else is refused: another look would end in the same way.

403 counts as missing on every server: stores that must not list say so about a file that is not there.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from urllib.parse import urlsplit

from include.core.errors import BadDataError, SettingsError
from include.core.storage import StoredObject
from include.core.web import Trouble, classify_status, redact
from include.songs.settings import SongSettings

SCHEMES = ("file", "http", "https", "s3")


@dataclass(frozen=True)
class NotReady:
    """A file is not there yet."""

    reason: str
    """Which file, and what was found."""
    passing: bool
    """Whether it could not be told because of trouble that passes; otherwise the file is missing."""


class NotReadyError(Exception):
    """A file cannot be read yet; waiting may help. It is no failure before the deadline."""

    def __init__(self, found: NotReady) -> None:
        super().__init__(found.reason)
        self.found = found


class RefusedError(BadDataError):
    """A file cannot be had, and waiting does not help."""


@dataclass(frozen=True)
class Body:
    """The content of a file that is being read."""

    size: int | None
    """Length in bytes that was announced."""
    blocks: Iterator[bytes]
    """None is empty; raises what `Source.open` raises."""


class Source(Protocol):
    """A remote file; its text is its address without secrets."""

    def look(self) -> StoredObject | NotReady:
        """
        Find out whether the file is there, without reading it. The size is -1 when it is not told.

        Raises:
            RefusedError: it cannot be had.
        """
        ...

    def open(self) -> AbstractContextManager[Body]:
        """
        Begin to read the file.

        Raises:
            NotReadyError: it is not there (any more), or there is trouble that passes.
            RefusedError: it cannot be had.
        """
        ...


def spins_url(settings: SongSettings, day: date) -> str:
    """
    Give the address of a day's spins.

    Raises:
        SettingsError: the base is not set.
    """
    return _below(settings, "spins_base", f"spins-{day.isoformat()}.snappy.parquet")


def listeners_url(settings: SongSettings) -> str:
    """
    Give the address of the listeners.

    Raises:
        SettingsError: the base is not set.
    """
    return _below(settings, "listeners_base", "listeners.snappy.parquet")


def _below(settings: SongSettings, field: str, name: str) -> str:
    if base := getattr(settings, field):
        return f"{base.rstrip('/')}/{name}"
    meaning = SongSettings.model_fields[field].description
    raise SettingsError(f"{SongSettings.variable(field)} is not set. Expected: {meaning}")


def scheme_of(url: str) -> str:
    """
    Give the scheme of an address.

    Raises:
        RefusedError: the address is malformed, or of another kind.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is no number
        whole = parts.path if parts.scheme == "file" else parts.hostname
    except ValueError as error:
        raise RefusedError(f"an address was expected: {error}") from None
    if parts.scheme not in SCHEMES or not whole:
        raise RefusedError(f"an address with http, https, s3 or file was expected, found {redact(url)!r}")
    return parts.scheme


def judged(status: int, reason: str) -> NotReadyError | RefusedError:
    """Give the error that an HTTP status without success is."""
    trouble = classify_status(status)
    if trouble is Trouble.PERMANENT:
        return RefusedError(reason)
    return NotReadyError(NotReady(reason, passing=trouble is Trouble.TRANSIENT))
