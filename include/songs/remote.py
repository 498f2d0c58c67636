"""Files on web servers, in the local file system and in S3, looked at and read in the same way."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from include.core.storage import StoragePath, StoredObject, classify_error, find_object, open_read
from include.core.web import Trouble, redact
from include.songs.sources import Body, NotReady, NotReadyError, RefusedError, judged

BLOCK_BYTES = 4 << 20
"""How much is read at a time."""
HEAD_REFUSED = (400, 403, 405, 501)
"""Answers to HEAD after which GET may find the file: an address may be signed for GET alone."""


def stored_object(name: str, headers: Mapping[str, str]) -> StoredObject:
    """Read size (-1 when the server does not tell it), time and ETag from the headers of an answer."""
    size = headers.get("Content-Length", "")
    try:
        changed = parsedate_to_datetime(headers.get("Last-Modified", "")).timestamp()
    except ValueError:
        changed = 0.0
    return StoredObject(name, int(size) if size.isdecimal() else -1, changed, headers.get("ETag", ""))


@dataclass(frozen=True)
class WebFile:
    """A file on a web server."""

    url: str
    client: httpx.Client = field(repr=False)
    """It follows redirects, and its timeouts end each wait."""
    query: str = field(default="", repr=False)
    """What is added to the address; it may be secret."""

    def __str__(self) -> str:
        return redact(self.url)

    @property
    def name(self) -> str:
        """Its last part, decoded."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])

    def look(self) -> StoredObject | NotReady:
        """Ask for the headers, or for a byte if the server does not give them alone."""
        try:
            with self._answer("HEAD") as answer:
                status = answer.status_code
                if status not in HEAD_REFUSED:
                    self._check(answer)
                    return stored_object(self.name, answer.headers)
            with self._answer("GET", Range="bytes=0-0") as answer:
                return self._of_range(answer)
        except NotReadyError as error:
            return error.found

    @contextmanager
    def open(self) -> Iterator[Body]:
        """Ask for the file."""
        with self._answer("GET") as answer:
            self._check(answer)
            size = answer.headers.get("Content-Length", "")
            plain = answer.headers.get("Content-Encoding", "identity") == "identity"
            yield Body(int(size) if plain and size.isdecimal() else None, self._blocks(answer))

    def _blocks(self, answer: httpx.Response) -> Iterator[bytes]:
        with self._told_apart():
            yield from answer.iter_bytes(BLOCK_BYTES)

    def _of_range(self, answer: httpx.Response) -> StoredObject:
        if answer.status_code != 416:  # an empty file has no first byte
            self._check(answer)
        found = stored_object(self.name, answer.headers)
        if answer.status_code not in (206, 416):
            return found
        whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return replace(found, size=int(whole) if whole.isdecimal() else -1)

    @contextmanager
    def _answer(self, method: str, **headers: str) -> Iterator[httpx.Response]:
        with self._told_apart():
            request = self.client.build_request(
                method, self.url + self.query, headers={"Accept-Encoding": "identity", **headers}
            )
            answer = self.client.send(request, stream=True)
        try:
            yield answer
        finally:
            answer.close()

    def _check(self, answer: httpx.Response) -> None:
        if not answer.is_success:
            status = answer.status_code
            raise judged(status, f"{self}: {status} {answer.reason_phrase}".rstrip())

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        try:
            yield
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.TooManyRedirects, httpx.InvalidURL) as error:
            raise RefusedError(f"{self}: {error}") from None
        except httpx.RequestError as error:
            reason = f"{self}: {type(error).__name__}: {error}"
            if _is_certificate(error):
                raise RefusedError(reason) from None
            raise NotReadyError(NotReady(reason, passing=True)) from None


@dataclass(frozen=True)
class StoredFile:
    """A local file, or an object in S3."""

    path: StoragePath

    def __str__(self) -> str:
        return redact(str(self.path))

    def look(self) -> StoredObject | NotReady:
        """Ask for size and time."""
        try:
            with self._told_apart():
                return find_object(self.path) or self._missing()
        except NotReadyError as error:
            return error.found

    @contextmanager
    def open(self) -> Iterator[Body]:
        """Open the file; one that is replaced while it is read is not mixed with the other."""
        with self._told_apart():
            file, size = open_read(self.path)
        with file:
            yield Body(size, self._blocks(file))

    def _blocks(self, file: Any) -> Iterator[bytes]:
        with self._told_apart():
            while block := file.read(BLOCK_BYTES):
                yield block

    def _missing(self) -> NotReady:
        return NotReady(f"{self}: not there", passing=False)

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        try:
            yield
        except NotReadyError:
            raise
        except Exception as error:
            if judged := self._judged(error):
                raise judged from error
            raise

    def _judged(self, error: Exception) -> NotReadyError | RefusedError | None:
        trouble = classify_error(self.path, error)
        reason = f"{self}: {type(error).__name__}: {error}"
        if isinstance(error, FileNotFoundError | NotADirectoryError) and trouble is Trouble.MISSING:
            return NotReadyError(self._missing())
        if trouble is Trouble.MISSING:
            return NotReadyError(NotReady(reason, passing=False))
        if trouble is Trouble.TRANSIENT:
            return NotReadyError(NotReady(reason, passing=True))
        return RefusedError(reason) if trouble else None


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
