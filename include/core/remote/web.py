"""Remote files on web servers."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

import httpx

from include.core.remote import Body, RefusedError, UnreachableError, remote_error
from include.core.storage import StoredObject
from include.core.web import classify_status, redact

BLOCK_BYTES = 4 << 20
"""How much is read at a time."""
HEAD_REFUSED = (400, 403, 405, 501)
"""Answers to HEAD after which GET may find the file: an address may be signed for GET alone."""


@dataclass(frozen=True)
class WebFile:
    """A file on a web server."""

    url: str
    client: httpx.Client = field(repr=False)
    """It follows redirects, and its timeouts end each wait."""
    query: str = field(default="", repr=False)
    """Appended to the address; it may be secret."""

    def __str__(self) -> str:
        return redact(self.url)

    @property
    def name(self) -> str:
        """Last part of the path, decoded; of an address without a path, the host."""
        parts = urlsplit(self.url)
        return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.hostname or ""

    def look(self) -> StoredObject:
        """Ask for the headers, or for one byte if the server does not send headers alone."""
        with self._answer("HEAD") as answer:
            if answer.status_code not in HEAD_REFUSED:
                self._check(answer)
                return describe(self.name, answer.headers)
        with self._answer("GET", Range="bytes=0-0") as answer:
            return self._describe_range(answer)

    def is_settled(self, found: StoredObject, now: float, seconds: float) -> bool:
        """Return `True`: a server is expected to show complete files only."""
        return True

    @contextmanager
    def open(self) -> Iterator[Body]:
        """Ask for the file."""
        with self._answer("GET") as answer:
            self._check(answer)
            size = answer.headers.get("Content-Length", "")
            plain = answer.headers.get("Content-Encoding", "identity") == "identity"
            yield Body(int(size) if plain and size.isdecimal() else None, self._blocks(answer))

    def _blocks(self, answer: httpx.Response) -> Iterator[bytes]:
        with self._classify_errors():
            yield from answer.iter_bytes(BLOCK_BYTES)

    def _describe_range(self, answer: httpx.Response) -> StoredObject:
        if answer.status_code != 416:  # an empty file has no first byte
            self._check(answer)
        found = describe(self.name, answer.headers)
        if answer.status_code not in (206, 416):
            return found
        whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return replace(found, size=int(whole) if whole.isdecimal() else -1)

    @contextmanager
    def _answer(self, method: str, **headers: str) -> Iterator[httpx.Response]:
        with self._classify_errors():
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
            raise remote_error(classify_status(status), f"{self}: {status} {answer.reason_phrase}".rstrip())

    @contextmanager
    def _classify_errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.TooManyRedirects, httpx.InvalidURL) as error:
            raise RefusedError(f"{self}: {error}") from None
        except httpx.RequestError as error:
            reason = f"{self}: {type(error).__name__}: {error}"
            if _is_certificate_error(error):
                raise RefusedError(reason) from None
            raise UnreachableError(reason) from None


def describe(name: str, headers: Mapping[str, str]) -> StoredObject:
    """Return what the headers of an answer say of a file: size (-1 when they do not), time and ETag."""
    size = headers.get("Content-Length", "")
    try:
        changed = parsedate_to_datetime(headers.get("Last-Modified", "")).timestamp()
    except ValueError:
        changed = 0.0
    return StoredObject(name, int(size) if size.isdecimal() else -1, changed, headers.get("ETag", ""))


def _is_certificate_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
