"""Base of the adapters: request for an article's page, response, metadata, errors."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol
from urllib.parse import quote

from include.articles.sites.adapters.text import decode

MAX_ID_CHARACTERS, MAX_PATH_BYTES = 200, 2_000
"""Longer ids and paths are rejected: they exceed the limits of index keys."""
MAX_TITLE_CHARACTERS = 1_000
"""Longer titles are cut."""
YEARS = range(1600, 9999)
"""Years of publication; programs write others, and the beginning of 1970, for a time that they do not know."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

EXCLUSIONS = ("tag_exclude", "tag-exclude")
"""Reasons for which a site excludes an article itself; the second is how the class in its pages is written."""

ErrorKind = Literal[
    "not_found",  # the site has no such article, or no longer
    "not_an_article",  # the page is something else, or another article
    "wrong_site",  # the link leads to another site
    "no_title",
    "no_published_at",
    "bad_json",
    "http_status",  # any other status that is not a success
    "timeout",
    "connection",
    "redirect_loop",
    "redirect_elsewhere",  # to another site
    "too_large",
    "bad_encoding",  # the body is not compressed as its headers claim
    "bad_url",  # the path does not make a valid URL
    "not_asked",  # not requested: the site had failed for too many articles before
]


class PageError(Exception):
    """
    The metadata of one article is not available; the error is counted by its kind and the other articles go on.

    Args:
        kind: the category to count it under.
        detail: what was found, for the log.
    """

    def __init__(self, kind: ErrorKind, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind: ErrorKind = kind
        self.detail = detail


@dataclass(frozen=True)
class Metadata:
    """Metadata that a site publishes about an article."""

    external_id: str
    title: str
    path: str
    """Canonical path on the site, percent-encoded, without query."""
    published_at: datetime | None
    """In UTC; `None` if the site does not state it."""
    excluded_reason: str | None = None
    """Why the article must not be recommended; `None` if it may be."""


@dataclass(frozen=True)
class PageRequest:
    """One article to request from a site."""

    external_id: str
    path: str
    """Path under which readers read it."""
    target: str
    """Path and query of the request, relative to the site's base URL."""


@dataclass(frozen=True)
class PageResponse:
    """A successful response of a site, after redirects."""

    host: str
    """Host of the final URL."""
    path: str
    """Path of the final URL, percent-encoded, relative to the site's base URL."""
    body: bytes
    charset: str | None = None
    """Charset from the headers."""

    @property
    def text(self) -> str:
        """The body as text, decoded by its byte-order mark, the headers or the page's own declaration, else UTF-8."""
        return decode(self.body, self.charset)


class SiteAdapter(Protocol):
    """Knowledge of how a kind of site names and describes its articles."""

    uses_api: bool
    """
    Whether metadata come from an API, not from the article's own page. If so, a 404 is not evidence that the article
    is gone, and a path that turns out not to be an article is remembered.
    """

    def external_id(self, path: str) -> str | None:
        """Return the id of the article at *path*, 1 to 200 characters; `None` if the path is not an article's."""
        ...

    def target(self, external_id: str, path: str) -> str:
        """Return path and query of the request for an article, relative to the site's base URL."""
        ...

    def parse(self, response: PageResponse) -> Any:
        """
        Parse the response into what `validate` takes.

        Raises:
            PageError: the response does not have the expected form.
        """
        ...

    def validate(self, request: PageRequest, response: PageResponse, found: Any) -> Metadata:
        """
        Return the metadata, provided that the response is about the requested article.

        Raises:
            PageError: it is about something else, or has no title.
        """
        ...


def parse_instant(text: object) -> datetime | None:
    """Return an ISO 8601 instant with an offset as UTC; `None` for anything else."""
    try:
        found = datetime.fromisoformat(text.strip().upper()) if isinstance(text, str) else None
        return found.astimezone(UTC) if found and found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def publication_time(text: object) -> datetime | None:
    """Return the time of a publication in UTC; `None` if it is not an ISO 8601 instant with an offset, or not meant."""
    found = parse_instant(text)
    return found if found and found.year in YEARS and found != _EPOCH else None


def clean_path(path: str) -> str:
    """
    Return the path of an article, percent-encoded.

    Raises:
        PageError: the path is too long.
    """
    encoded = quote(path, safe="/%:@!$&'()*+,;=~", errors="replace")
    if len(encoded) > MAX_PATH_BYTES:
        raise PageError(
            "not_an_article", f"a path of at most {MAX_PATH_BYTES} bytes was expected, found {len(encoded)}"
        )
    return encoded


def clean_title(text: str) -> str:
    """
    Return a title that a database accepts: in one line, with single spaces, at most 1000 characters.

    Raises:
        PageError: nothing is left.
    """
    words = text.encode("utf-8", "ignore").decode().replace("\0", "").split()
    title = " ".join(words)[:MAX_TITLE_CHARACTERS].rstrip()
    if not title:
        raise PageError("no_title", "a title was expected, found none")
    return title
