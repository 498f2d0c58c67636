"""Washington City Paper and sites built like it: numbers in paths, metadata in HTML pages."""

import re
from dataclasses import dataclass
from datetime import datetime

from include.articles.sites.adapters.base import (
    EXCLUSIONS,
    MAX_ID_CHARACTERS,
    Metadata,
    PageError,
    PageRequest,
    PageResponse,
    clean_path,
    clean_title,
    publication_time,
)
from include.articles.sites.adapters.text import MAX_DEPTH, heading_text, is_too_deep
from include.articles.sites.configuration import Site

EXCLUDED = EXCLUSIONS[0]
TIME = ", ".join(f'meta[{name}="article:published_time" i]' for name in ("property", "name"))


@dataclass(frozen=True)
class Page:
    """The parsed page of an article."""

    title: str
    """As written on the page; empty if it has none."""
    published_at: datetime | None
    excluded: bool
    """Whether the page carries the tag of sponsored content."""


class WashingtonCityPaper:
    """Articles are at `/article/<number>/<slug>`; AMP caches put `/v/s/<domain>` or `/c/s/<domain>` before it."""

    uses_api = False

    def __init__(self, site: Site) -> None:
        self._article = re.compile(rf"(?:/[vc]/s/{re.escape(site.domain)})?(/article/([0-9]+)/\S.*)", re.DOTALL)
        self._moved = re.compile(r"/article/([0-9]+)(?:/|\Z)")

    def external_id(self, path: str) -> str | None:
        """Return the number, without leading zeros."""
        found = self._article.match(path)
        return _plain(found[2]) if found else None

    def target(self, external_id: str, path: str) -> str:
        """Return the path on the site itself, without the prefix of a cache."""
        found = self._article.match(path)
        return found[1] if found else path

    def parse(self, response: PageResponse) -> Page:
        """Read title, publication time and tag from HTML, however broken it is."""
        from selectolax.lexbor import LexborHTMLParser

        if is_too_deep(html := response.text):
            raise PageError("too_large", f"{response.path}: at most {MAX_DEPTH} nested elements were expected")
        page = LexborHTMLParser(html)
        heading = page.css_first("header h1")
        times = (publication_time(meta.attributes.get("content")) for meta in page.css(TIME))
        return Page(
            heading_text(heading) if heading else "",
            next((time for time in times if time), None),  # themes and plugins repeat it, and leave some empty
            page.css_first("#primary .tag-exclude") is not None,
        )

    def validate(self, request: PageRequest, response: PageResponse, found: Page) -> Metadata:
        """Accept a page with a title whose final URL, after redirects, has the number of the article in any section."""
        number = self._moved.search(response.path)
        if number is None or _plain(number[1]) != request.external_id:
            raise PageError("not_an_article", f"{request.target} led to {response.path}, which is not the article")
        excluded = EXCLUDED if found.excluded else None
        return Metadata(
            request.external_id, clean_title(found.title), clean_path(response.path), found.published_at, excluded
        )


def _plain(number: str) -> str | None:
    """Return a number without leading zeros; `None` if it is too long for an id."""
    plain = number.lstrip("0") or "0"
    return plain if len(plain) <= MAX_ID_CHARACTERS else None
