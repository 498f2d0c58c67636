"""WordPress sites: slugs in paths, metadata from the REST API of WordPress."""

import json
import re
import unicodedata
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from include.articles.sites.adapters.base import (
    MAX_ID_CHARACTERS,
    Metadata,
    PageError,
    PageRequest,
    PageResponse,
    clean_path,
    clean_title,
    publication_time,
)
from include.articles.sites.adapters.text import MAX_HEADING_CHARACTERS, heading_text
from include.articles.sites.configuration import Site
from include.articles.sites.hosts import is_below, plain_host
from include.articles.sites.patterns import PathPattern
from include.core.text import excerpt

FIELDS = "id,date_gmt,modified_gmt,slug,status,type,link,title"


_CACHED = re.compile(r"/[cv]/s/([^/]+)(/.*)", re.DOTALL)
"""Path in an AMP cache: the host of the site, and the path there."""
_AMP = "/amp"
"""End of the path of the copy that a plugin of WordPress makes of a post."""


class WordPress:
    """
    Posts match the site's `path_pattern`; its group `slug` is their id, encoded the way WordPress stores it.

    The pattern need not cover AMP: a copy of a post, made by a cache or a plugin, has the id of the post.
    """

    uses_api = True

    def __init__(self, site: Site) -> None:
        self._pattern = PathPattern(site.path_pattern or "", site.name)
        self._lang = {"lang": site.lang} if site.lang else {}
        self._hosts = {plain_host(host) for host in site.all_hosts} - {""}

    def external_id(self, path: str) -> str | None:
        """Return the slug if the pattern matches the whole path, without its query and the marks of AMP."""
        own = self._own(path)
        if own is None:
            return None
        post = own.removesuffix("/").removesuffix(_AMP)
        paths = [f"{post}/", post, own] if own.removesuffix("/").endswith(_AMP) else [own]
        found = next(filter(None, (self._pattern.group(each, "slug") for each in paths)), "")
        slug = _encoded(found)
        return slug if 0 < len(slug) <= MAX_ID_CHARACTERS else None

    def target(self, external_id: str, path: str) -> str:
        """Return the API request for the posts with this slug."""
        query = {"slug": unquote(external_id), **self._lang, "_fields": FIELDS}
        return f"/wp-json/wp/v2/posts/?{urlencode(query, safe=',')}"

    def parse(self, response: PageResponse) -> dict[str, Any]:
        """Return the single post of the response."""
        try:
            posts = json.loads(response.body)
        except (ValueError, RecursionError) as error:
            raise PageError("bad_json", f"JSON was expected: {error}") from None
        if not isinstance(posts, list) or not all(isinstance(post, dict) for post in posts):
            raise PageError("bad_json", f"a list of posts was expected, found {excerpt(posts)}")
        if not posts:
            raise PageError("not_found", "there is no post with this slug")
        if len(posts) > 1:
            raise PageError("not_an_article", f"one post was expected, found {len(posts)}")
        return posts[0]

    def validate(self, request: PageRequest, response: PageResponse, found: dict[str, Any]) -> Metadata:
        """Accept a published post whose link is the path of the request."""
        slug, link = found.get("slug"), found.get("link")
        expected = {"type": "post", "status": "publish"}
        if wrong := [name for name, value in expected.items() if found.get(name) != value]:
            raise PageError("not_an_article", f"{wrong[0]} {expected[wrong[0]]} was expected")
        if not isinstance(slug, str) or _encoded(slug) != request.external_id:
            raise PageError("not_an_article", f"slug {request.external_id} was expected, found {excerpt(slug)}")
        try:
            address = urlsplit(link if isinstance(link, str) else "")
            host = plain_host(address.hostname)
        except ValueError:
            raise PageError("not_an_article", f"a link was expected, found {excerpt(link)}") from None
        if host not in self._hosts | {plain_host(response.host)}:
            expected_host = " or ".join(sorted(self._hosts))
            raise PageError("wrong_site", f"a link to {expected_host} was expected, found {excerpt(link)}")
        if _canonical(address.path) != _canonical(self._own(request.path) or ""):
            raise PageError("not_an_article", f"a link to {request.path} was expected, found {excerpt(link)}")
        title, path = clean_title(_text(found.get("title"))), clean_path(address.path)
        return Metadata(request.external_id, title, path, _published_at(found))

    def _own(self, path: str) -> str | None:
        """Return a path on the site itself, without query and AMP cache; `None`: it is in the cache of another site."""
        path = _without_query(path)
        cached = _CACHED.fullmatch(path)
        if cached is None:
            return path
        return cached[2] if is_below(plain_host(cached[1]), self._hosts) else None


def _published_at(post: dict[str, Any]) -> datetime | None:
    time = post.get("date_gmt")
    return publication_time(f"{time}+00:00") or publication_time(time)


def _text(title: Any) -> str:
    """Return the text of a title, which is HTML."""
    from selectolax.lexbor import LexborHTMLParser

    rendered = title.get("rendered") if isinstance(title, dict) else title
    if not isinstance(rendered, str):
        return ""
    rendered = rendered[:MAX_HEADING_CHARACTERS]
    body = LexborHTMLParser(f"<body>{rendered.encode('utf-8', 'replace').decode()}").body
    return heading_text(body) if body else ""


def _encoded(slug: str) -> str:
    """Encode a slug as WordPress stores it: composed, lower-case, percent-encoded with lower-case digits."""
    return quote(_folded(slug), safe="", errors="replace").lower()


def _canonical(path: str) -> str:
    """Return a path without query, AMP suffix and trailing slash, so that two paths of the same post are equal."""
    return _folded(_without_query(path)).rstrip("/").removesuffix(_AMP).rstrip("/")


def _folded(text: str) -> str:
    """Return text decoded, in lower case and composed: the one form that WordPress has of a slug."""
    return unicodedata.normalize("NFC", unquote(text).lower())


def _without_query(path: str) -> str:
    return re.split(r"[?#]", path, maxsplit=1)[0]
