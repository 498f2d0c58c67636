"""Polite HTTP requests to a site: within its limits, with few retries, and to no other host."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from itertools import islice
from urllib.parse import urlsplit

import httpx
from aiolimiter import AsyncLimiter
from airflow.sdk import BaseHook
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_exponential

from include.articles.events.members import NotGzipError, inflate
from include.articles.sites.adapters.base import ErrorKind, PageError, PageRequest, PageResponse
from include.articles.sites.configuration import Site
from include.articles.sites.hosts import is_below, plain_host
from include.core.errors import SettingsError
from include.core.text import excerpt

MAX_BODY_BYTES = 5_000_000
"""Limit of a body, as it is sent and decompressed."""
PART_BYTES, MAX_MEMBERS = 1 << 16, 100
"""Bytes that are decompressed at a time; limit of the parts of a body that are compressed on their own."""
MAX_REDIRECTS = 10
GONE = (404, 410)
MAX_REFUSALS = 20
"""Failed articles in a row after which no more requests are sent to the site."""

Outcome = PageResponse | PageError


class TransientPageError(PageError):
    """A temporary error; *wait_seconds* is the wait that the site asked for, or 0."""

    def __init__(self, kind: ErrorKind, detail: str, wait_seconds: float = 0) -> None:
        super().__init__(kind, detail)
        self.wait_seconds = wait_seconds


class SiteHook(BaseHook):
    """
    Hook for requests to a site.

    :param site: the site and its limits.
    :param base_url: address that replaces the site's own, such as that of a copy.
    :param wait_seconds: wait between the first and second attempt; doubled for each further one.
    """

    def __init__(self, site: Site, base_url: str = "", wait_seconds: float = 2.0) -> None:
        super().__init__()
        self.site = site
        self.base_url = (base_url or site.base_url).rstrip("/")
        self.wait_seconds = wait_seconds

    def fetch(self, requests: Iterable[PageRequest]) -> Iterator[tuple[PageRequest, Outcome]]:
        """
        Yield the outcome of each request as soon as it arrives, in any order.

        Nothing is sent while the caller processes an outcome. An error of one article is its outcome.
        """
        waiting, pending = iter(requests), dict[asyncio.Task[Outcome], PageRequest]()
        with asyncio.Runner() as runner:
            visit = runner.run(Visit.begin(self.site, self.base_url, self.wait_seconds))
            try:
                while True:
                    for request in islice(waiting, self.site.concurrent_requests - len(pending)):
                        pending[runner.get_loop().create_task(visit.fetch(request))] = request
                    if not pending:
                        return
                    for task in runner.run(_first_done(pending)):
                        yield pending.pop(task), task.result()
            finally:
                self.log.info("%s: %d requests sent", self.base_url, visit.requests)
                runner.run(visit.end(pending))


async def _first_done(tasks: Iterable[asyncio.Task[Outcome]]) -> set[asyncio.Task[Outcome]]:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return done


class Visit:
    """
    Requests to a site that share its limits, within one event loop.

    :param client: client that sends the requests.
    :param requests: number of requests sent so far, including redirects and retries.
    """

    def __init__(self, site: Site, base_url: str, wait_seconds: float, client: httpx.AsyncClient) -> None:
        self.site = site
        self.base_url = base_url
        self.client = client
        self.requests = 0
        self._host, self._folder = plain_host(urlsplit(base_url).hostname), urlsplit(base_url).path
        self._is_copy = base_url != site.base_url.rstrip("/")
        self._limiter = AsyncLimiter(1, 1 / site.requests_per_second)  # of 1, to prevent bursts
        self._backoff = wait_exponential(multiplier=wait_seconds, max=site.max_wait_seconds)
        self._quiet_until = 0.0
        self._refusals = 0

    @classmethod
    async def begin(cls, site: Site, base_url: str, wait_seconds: float) -> "Visit":
        """Begin as if a request had just been sent, because a retried task may have sent one."""
        try:
            client = httpx.AsyncClient(
                headers={"User-Agent": site.user_agent, "Accept-Encoding": "gzip"},
                timeout=site.timeout_seconds,
                limits=httpx.Limits(max_connections=site.concurrent_requests),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # each article is a first visit
            )
        except (ValueError, httpx.InvalidURL) as error:
            raise SettingsError(f"HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is not the URL of a proxy: {error}") from None
        visit = cls(site, base_url, wait_seconds, client)
        await visit._limiter.acquire()
        return visit

    async def end(self, unfinished: Iterable[asyncio.Task[Outcome]]) -> None:
        """Cancel unfinished requests and close the connections."""
        tasks = list(unfinished)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.client.aclose()

    async def fetch(self, request: PageRequest) -> Outcome:
        """Request one article, with retries if necessary."""
        if self._refusals >= MAX_REFUSALS:
            return PageError("not_asked", f"{self.base_url} did not answer for {MAX_REFUSALS} articles in a row")
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(TransientPageError),
            stop=stop_after_attempt(self.site.attempts),
            wait=self._wait,
            reraise=True,
        )
        url, limit = f"{self.base_url}{request.target}", asyncio.timeout(self.site.article_seconds)
        try:
            async with limit:
                response = await attempts(self._follow, url, limit)
        except TimeoutError:
            self._refusals += 1
            return PageError(
                "timeout",
                f"{url}: no page in {self.site.article_seconds:g} s, with its redirects and the waits between attempts",
            )
        except PageError as error:
            refused = error.kind in ("http_status", "timeout", "connection")
            self._refusals = self._refusals + 1 if refused else 0
            return error
        self._refusals = 0
        return response

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        requested = error.wait_seconds if isinstance(error, TransientPageError) else 0
        return max(self._backoff(state), requested)

    async def _follow(self, url: str, limit: asyncio.Timeout) -> PageResponse:
        """Send a request and follow its redirects; *limit* is that of all requests for the article."""
        try:
            request = self.client.build_request("GET", url)
        except httpx.InvalidURL as error:
            raise PageError("bad_url", f"{url[:200]}: {error}") from None
        seen: set[httpx.URL] = set()
        while True:
            if request.url in seen or len(seen) > MAX_REDIRECTS:
                raise PageError("redirect_loop", f"{url} led to {request.url} after {len(seen)} redirects")
            if not self._is_ours(request.url):
                raise PageError("redirect_elsewhere", f"{url} led to {request.url}")
            seen.add(request.url)
            response, body = await self._exchange(request, limit)
            if response.next_request is None:
                break
            request = response.next_request
        path = urlsplit(str(response.url)).path
        inside = path.removeprefix(self._folder) if path.startswith(f"{self._folder}/") else path
        return PageResponse(response.url.host, inside, body, response.charset_encoding)

    def _is_ours(self, url: httpx.URL) -> bool:
        """Check that an address is on the site; a copy must not lead to the original."""
        host = plain_host(url.host)
        of_site = not self._is_copy and is_below(host, [self.site.domain, *self.site.hosts])
        return url.scheme in ("http", "https") and (host == self._host or of_site)

    async def _exchange(self, request: httpx.Request, limit: asyncio.Timeout) -> tuple[httpx.Response, bytes]:
        await self._turn(limit)
        try:
            async with asyncio.timeout(self.site.timeout_seconds):
                response = await self.client.send(request, stream=True)
                try:
                    self._check_status(response)
                    body = await _read(response)
                    return response, body if response.next_request else _decompressed(response, body)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            raise TransientPageError("timeout", f"{request.url}: nothing in {self.site.timeout_seconds:g} s") from None
        except httpx.RequestError as error:
            raise TransientPageError("connection", f"{request.url}: {type(error).__name__}: {error}") from None
        except (httpx.InvalidURL, ValueError) as error:  # in a redirect
            raise PageError("bad_url", f"{request.url} led to no address: {error}") from None

    async def _turn(self, limit: asyncio.Timeout) -> None:
        """Wait until another request may be sent; this wait does not count towards *limit*."""
        now, deadline = asyncio.get_running_loop().time, limit.when()
        began = now()
        limit.reschedule(None)
        await self._limiter.acquire()
        while (wait := self._quiet_until - now()) > 0:
            await asyncio.sleep(wait)
            await self._limiter.acquire()
        self.requests += 1
        limit.reschedule(None if deadline is None else deadline + now() - began)

    def _check_status(self, response: httpx.Response) -> None:
        if response.is_success or response.next_request:
            return
        status, detail = response.status_code, f"{response.url}: status {response.status_code}"
        if status in GONE:
            raise PageError("not_found", detail)
        if status != 429 and status < 500:
            raise PageError("http_status", detail)
        wait = min(_retry_after(response), self.site.max_wait_seconds)
        self._quiet_until = max(self._quiet_until, asyncio.get_running_loop().time() + wait)
        raise TransientPageError("http_status", detail, wait)


async def _read(response: httpx.Response) -> bytes:
    """Return the body as it was sent."""
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        _check_size(response, len(body))
    return bytes(body)


def _decompressed(response: httpx.Response, body: bytes) -> bytes:
    """Return the text of a body; the client's own decompression has no limit."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if not body or encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise PageError("bad_encoding", f"{response.url}: gzip was expected, found {excerpt(encoding)}")
    text, members = bytearray(), 0
    try:
        for part in inflate(body, PART_BYTES):
            text += part
            members += not part
            _check_size(response, len(text))
            if members > MAX_MEMBERS:
                raise PageError("bad_encoding", f"{response.url}: more than {MAX_MEMBERS} parts of gzip")
    except NotGzipError as error:
        raise PageError("bad_encoding", f"{response.url}: {error}") from None
    return bytes(text)


def _check_size(response: httpx.Response, size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise PageError("too_large", f"{response.url}: at most {MAX_BODY_BYTES} bytes were expected")


def _retry_after(response: httpx.Response) -> float:
    """Return the seconds that the site asks to wait, 0 or more."""
    value = response.headers.get("Retry-After", "")
    try:
        wait = float(value) if value.isdecimal() else (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError, LookupError):  # not a date, or one without a zone
        return 0
    return max(wait, 0)
