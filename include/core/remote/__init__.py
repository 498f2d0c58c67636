"""The port to remote files: on web servers, in the local file system and in S3, looked at and read in the same way.

A file exists, is not ready, or is refused. It is not ready when it is missing (HTTP 403, 404, 410; no such local file;
S3's 403 or 404), or when it could not be checked because of a transient error (HTTP 408, 429 and 5xx, timeouts, no
connection, no such host). Anything else is refused: another look would end in the same way.

`web` and `stored` have the implementations.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from include.core.errors import BadDataError, TransientError
from include.core.storage import StoredObject
from include.core.web import Trouble, redact

SCHEMES = ("file", "http", "https", "s3")


class NotReadyError(TransientError):
    """A remote file cannot be read yet; waiting may help, so it is no failure before the deadline."""


class MissingError(NotReadyError):
    """A remote file does not exist, or not yet."""


class UnreachableError(NotReadyError):
    """A remote file could not be checked or read; the error is transient."""


class ClosedError(UnreachableError):
    """A server closed the connection instead of answering."""


class IncompleteError(UnreachableError):
    """
    A remote file was not received whole: it is shorter than announced, or its end is missing.

    Perhaps it is being written; it is worth another download once it has changed.
    """


class TooSlowError(UnreachableError):
    """A remote file was not received in time; another attempt at once would be as slow."""


class RefusedError(BadDataError):
    """A remote file cannot be had, and waiting does not help."""


@dataclass(frozen=True)
class Body:
    """The content of a remote file that is being read."""

    size: int | None
    """Length in bytes that was announced."""
    blocks: Iterator[bytes]
    """None is empty; raises what `RemoteFile.open` raises."""


class RemoteFile(Protocol):
    """A remote file; its text is its address without secrets."""

    def look(self) -> StoredObject:
        """
        Return what can be seen of the file without reading it. The size is -1 when the server does not tell it.

        Raises:
            MissingError: it does not exist.
            UnreachableError: it could not be checked; the error is transient.
            RefusedError: it cannot be had.
        """
        ...

    def is_settled(self, found: StoredObject, now: float, seconds: float) -> bool:
        """Return whether the file that a look has *found* is complete; see `include.core.storage.is_settled`."""
        ...

    def open(self) -> AbstractContextManager[Body]:
        """
        Open the file for reading.

        Raises:
            MissingError: it does not exist (any more).
            UnreachableError: it could not be read; the error is transient.
            RefusedError: it cannot be had.
        """
        ...


def remote_error(trouble: Trouble, reason: str) -> NotReadyError | RefusedError:
    """Return the error that a trouble with a remote file is."""
    return {
        Trouble.MISSING: MissingError,
        Trouble.TRANSIENT: UnreachableError,
        Trouble.PERMANENT: RefusedError,
    }[trouble](reason)


def scheme_of(url: str) -> str:
    """
    Return the scheme of an address.

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
