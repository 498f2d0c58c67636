"""What newsrooms have in common: the question about an article, the reply, what is read from it, why it cannot be."""

import codecs
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol
from urllib.parse import quote

ID_CHARACTERS, PATH_BYTES = 200, 2_000
"""Longer ids and paths are none: no index of a database takes them."""
TITLE_CHARACTERS = 1_000
"""Longer titles are cut."""

Kind = Literal[
    "not_found",  # the newsroom says that there is no such article (any more)
    "not_an_article",  # it is something else, or another article
    "wrong_site",  # it calls another site its own
    "no_title",
    "no_published_at",
    "bad_json",
    "http_status",  # any other status that is no success
    "timeout",
    "connection",
    "redirect_loop",
    "redirect_elsewhere",  # to another site
    "too_large",
    "bad_encoding",  # compressed, and not as its headers say
    "bad_url",  # the path makes no address
    "not_asked",  # the site had refused too many articles before
]


class PageError(Exception):
    """
    Why one article cannot be had: it is counted by its kind and left out, the others go on.

    Args:
        kind: what to count it as.
        detail: what was found, for the log.
    """

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind: Kind = kind
        self.detail = detail


@dataclass(frozen=True)
class Metadata:
    """What a newsroom says about one of its articles."""

    external_id: str
    title: str
    path: str
    """Canonical path on the newsroom's site, percent-encoded, without query."""
    published_at: datetime | None
    """In UTC; `None`: the newsroom does not say."""
    excluded_reason: str | None = None
    """Why the article must not be recommended; `None`: it may be."""


@dataclass(frozen=True)
class Question:
    """One article to ask a site about."""

    external_id: str
    path: str
    """Where readers read it."""
    target: str
    """Path and query of the request, below the site's address."""


@dataclass(frozen=True)
class Reply:
    """What a site answered, with success and after redirects."""

    host: str
    """Of the last address."""
    path: str
    """Of the last address, percent-encoded, counted from the site's own address."""
    body: bytes
    charset: str | None = None
    """As the headers say."""

    @property
    def text(self) -> str:
        """The body as text, in the encoding that its first bytes, the headers or the page name, else UTF-8."""
        declared = re.search(rb"<meta[^>]+charset=[\"']?([\w-]+)", self.body[:1024], re.IGNORECASE)
        encoding = self.charset or (declared[1].decode() if declared else "utf-8")
        if self.body.startswith(codecs.BOM_UTF8):
            encoding = "utf-8-sig"
        try:
            text = self.body.decode(encoding, "replace")
        except (LookupError, ValueError):  # no such encoding, or none for text
            text = self.body.decode("utf-8", "replace")
        return text.encode("utf-8", "replace").decode()  # UTF-7 may hide what is no text


class Newsroom(Protocol):
    """How one kind of site names its articles and tells about them."""

    asks_api: bool
    """
    Whether it asks an API, not the article's own page. If so, status 404 says nothing about the article, and a path
    that turns out not to be an article is worth remembering.
    """

    def external_id(self, path: str) -> str | None:
        """Give the id of the article at *path*, 1 to 200 characters; `None`: it is no article's path."""
        ...

    def target(self, external_id: str, path: str) -> str:
        """Give path and query of the request for an article, below the site's address."""
        ...

    def parse(self, reply: Reply) -> Any:
        """
        Read the reply, as `validate` takes it.

        Raises:
            PageError: it has not the expected form.
        """
        ...

    def validate(self, question: Question, reply: Reply, found: Any) -> Metadata:
        """
        Give the metadata, if the reply is about the article that was asked for.

        Raises:
            PageError: it is not, or has no title.
        """
        ...


def instant(text: object) -> datetime | None:
    """Read an instant in ISO 8601 with its offset, in UTC; `None`: it is none."""
    try:
        found = datetime.fromisoformat(text.strip()) if isinstance(text, str) else None
        return found.astimezone(UTC) if found and found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def checked_path(path: str) -> str:
    """
    Give the path of an article percent-encoded.

    Raises:
        PageError: it is too long.
    """
    encoded = quote(path, safe="/%:@!$&'()*+,;=~", errors="replace")
    if len(encoded) > PATH_BYTES:
        raise PageError("not_an_article", f"a path of at most {PATH_BYTES} bytes was expected, found {len(encoded)}")
    return encoded


def checked_title(text: str) -> str:
    """
    Make a title of a piece of text: trimmed, of at most 1000 characters, all of which a database takes.

    Raises:
        PageError: nothing is left.
    """
    title = text.encode("utf-8", "ignore").decode().replace("\0", "").strip()[:TITLE_CHARACTERS].rstrip()
    if not title:
        raise PageError("no_title", "a title was expected, found none")
    return title
