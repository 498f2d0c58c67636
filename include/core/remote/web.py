"""Remote files on web servers."""

import ssl
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

import httpx

from include.core.remote import (
    Body,
    ClosedError,
    IncompleteError,
    NotReadyError,
    RefusedError,
    TooSlowError,
    UnreachableError,
    remote_error,
)
from include.core.remote.deadline import Deadline
from include.core.storage import StoredObject
from include.core.web import classify_status, redact

BLOCK_BYTES = 4 << 20
"""How much is read at a time."""
HEAD_REFUSED = (400, 403, 405, 501)
"""Answers to HEAD that say nothing about the file: an address may be signed for GET alone."""
LOOK_SECONDS = 15.0
"""Time limit of each request of a look."""
MAX_REDIRECTS = 5


@dataclass(frozen=True)
class WebFile:
    """A file on a web server."""

    url: str
    client: httpx.Client = field(repr=False)
    """Its timeouts end each wait."""
    query: str = field(default="", repr=False)
    """Appended to the address; it may be secret."""
    redirect_hosts: Collection[str] = ()
    """Hosts to which the server may redirect, besides its own; their subdomains are meant, too."""
    read_seconds: float = 6 * 3600
    """Time limit of reading the file."""

    def __str__(self) -> str:
        return redact(self.url)

    @property
    def name(self) -> str:
        """Last part of the path, decoded; of an address without a path, the host."""
        parts = urlsplit(self.url)
        return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.hostname or ""

    def look(self) -> StoredObject:
        """Ask for the headers; if that fails, for the first byte: some servers fail at HEAD alone."""
        error: NotReadyError | None = None
        try:
            with self._answer("HEAD", LOOK_SECONDS) as answer:
                if answer.is_success:
                    return describe(self.name, answer.headers)
                if answer.status_code not in HEAD_REFUSED:
                    error = self._not_ready(answer)
        except ClosedError as closed:
            error = closed
        try:
            with self._answer("GET", LOOK_SECONDS, Range="bytes=0-0") as answer:
                return self._describe_range(answer)
        except NotReadyError as second:
            raise error or second from None

    def is_settled(self, found: StoredObject, now: float, seconds: float) -> bool:
        """Return `True`: a server is expected to show complete files only."""
        return True

    @contextmanager
    def open(self) -> Iterator[Body]:
        """Ask for the file."""
        with self._answer("GET", self.read_seconds) as answer:
            self._check(answer)
            encoding = answer.headers.get("Content-Encoding", "identity")
            if encoding.strip().lower() not in ("", "identity"):
                raise RefusedError(f"{self}: the file itself was expected, found an answer with a Content-Encoding")
            size = answer.headers.get("Content-Length", "")
            yield Body(int(size) if size.isdecimal() else None, self._blocks(answer))

    def _blocks(self, answer: httpx.Response) -> Iterator[bytes]:
        deadline: Deadline = answer.extensions["deadline"]
        with self._classify_errors(deadline):
            try:
                yield from answer.iter_raw(BLOCK_BYTES)
            except (httpx.RemoteProtocolError, httpx.ReadError):
                if deadline.passed:
                    raise
                raise IncompleteError(f"{self}: the connection was closed before the end of the file") from None
            if deadline.passed:  # without a length, the end of the connection is the end of the file
                raise httpx.ReadTimeout("")

    def _describe_range(self, answer: httpx.Response) -> StoredObject:
        if answer.status_code != 416:  # an empty file has no first byte
            self._check(answer)
        found = describe(self.name, answer.headers)
        if answer.status_code not in (206, 416):
            return found
        whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return replace(found, size=int(whole) if whole.isdecimal() else -1)

    @contextmanager
    def _answer(self, method: str, seconds: float, **headers: str) -> Iterator[httpx.Response]:
        """Yield the answer to a request, after redirects; all of it is over after some seconds."""
        deadline = Deadline(seconds)
        with deadline.running():
            answer = self._send(method, deadline, headers)
            answer.extensions["deadline"] = deadline
            try:
                yield answer
            finally:
                answer.close()

    def _send(self, method: str, deadline: Deadline, headers: Mapping[str, str]) -> httpx.Response:
        with self._classify_errors(deadline):
            request = self.client.build_request(
                method,
                self.url + self.query,
                # a connection of its own, so that the deadline knows it
                headers={"Accept-Encoding": "identity", "Connection": "close", **headers},
                extensions={"trace": deadline.trace},
            )
            for _ in range(MAX_REDIRECTS + 1):
                answer = self.client.send(request, stream=True, follow_redirects=False)
                if answer.next_request is None:
                    return answer
                answer.close()
                self._check_redirect(answer.next_request.url)
                request = answer.next_request
        raise RefusedError(f"{self}: at most {MAX_REDIRECTS} redirects were expected, found more")

    def _check_redirect(self, url: httpx.URL) -> None:
        """Check that a redirect leads to the same server, perhaps by HTTPS, or to a host that is allowed."""
        own = httpx.URL(self.url)
        same = url.host == own.host and (url.scheme, url.port) in ((own.scheme, own.port), ("https", None))
        allowed = any(f".{url.host}".endswith(f".{each}") for each in self.redirect_hosts)
        if not same and not (allowed and url.scheme == "https"):
            raise RefusedError(
                f"{self}: a redirect to {own.scheme}://{own.netloc.decode().rpartition('@')[2]} was expected, "
                f"found one to {redact(str(url.copy_with(path='/', query=None)))[:200]}"
            )

    def _check(self, answer: httpx.Response) -> None:
        if not answer.is_success:
            raise self._error(answer)

    def _not_ready(self, answer: httpx.Response) -> NotReadyError:
        """Return the error of an answer without success; one that waiting does not mend is raised."""
        error = self._error(answer)
        if isinstance(error, RefusedError):
            raise error
        return error

    def _error(self, answer: httpx.Response) -> NotReadyError | RefusedError:
        status = answer.status_code
        text = f"{status} {httpx.codes.get_reason_phrase(status)}".rstrip()  # not the server's own phrase
        return remote_error(classify_status(status), f"{self}: {text}")

    @contextmanager
    def _classify_errors(self, deadline: Deadline) -> Iterator[None]:
        """Raise the errors of the port; their texts have no bytes of an answer."""
        try:
            yield
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
            raise RefusedError(f"{self}: {error}") from None
        except httpx.RequestError as error:
            if deadline.passed:
                raise TooSlowError(f"{self}: not at its end after {deadline.seconds:g} seconds") from None
            if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
                raise ClosedError(f"{self}: {type(error).__name__}: no answer in HTTP") from None
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
