"""Washington City Paper and sites built like it: numbers in paths, metadata in pages."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from include.articles.newsrooms.base import (
    ID_CHARACTERS,
    Metadata,
    PageError,
    Question,
    Reply,
    checked_path,
    checked_title,
    instant,
)

if TYPE_CHECKING:
    from include.articles.sites import Site

EXCLUDED = "tag_exclude"


@dataclass(frozen=True)
class Page:
    """What a page says."""

    title: str
    """As it is written; empty: there is none."""
    published_at: datetime | None
    excluded: bool
    """Whether the newsroom has tagged it, as it does with advertisements."""


class WashingtonCityPaper:
    """Articles are at `/article/<number>/<slug>`; AMP caches put `/v/s/<domain>` or `/c/s/<domain>` before it."""

    asks_api = False

    def __init__(self, site: "Site") -> None:
        self._article = re.compile(rf"(?:/[vc]/s/{re.escape(site.domain)})?(/article/([0-9]+)/\S.*)", re.DOTALL)

    def external_id(self, path: str) -> str | None:
        """Give the number, without leading zeros."""
        found = self._article.match(path)
        if not found:
            return None
        number = found[2].lstrip("0") or "0"
        return number if len(number) <= ID_CHARACTERS else None

    def target(self, external_id: str, path: str) -> str:
        """Ask for the page on the site itself, not in a cache."""
        found = self._article.match(path)
        return found[1] if found else path

    def parse(self, reply: Reply) -> Page:
        """Read title, time of publication and tag from HTML, however broken it is."""
        from selectolax.lexbor import LexborHTMLParser

        page = LexborHTMLParser(reply.text)
        heading = page.css_first("header h1")
        time = page.css_first('meta[property="article:published_time"]')
        return Page(
            heading.text() if heading else "",
            instant(time.attributes.get("content")) if time else None,
            page.css_first("#primary .tag-exclude") is not None,
        )

    def validate(self, question: Question, reply: Reply, found: Page) -> Metadata:
        """Accept a page with a title whose address, after redirects, is one of the same article."""
        if self.external_id(reply.path) != question.external_id:
            raise PageError("not_an_article", f"{question.target} led to {reply.path}, which is not the article")
        excluded = EXCLUDED if found.excluded else None
        return Metadata(
            question.external_id, checked_title(found.title), checked_path(reply.path), found.published_at, excluded
        )
