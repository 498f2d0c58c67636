"""The Demo Gazette, a fictitious news site: the archive of its events, and its pages, served on this machine."""

import json
import re
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from deploy.demo import server
from deploy.demo.articles import generate
from include.articles.settings import ArticleSettings
from include.articles.sites.configuration import BUILT_IN, load_sites
from include.core.settings import PlatformSettings
from include.core.storage import read_json, write_json

SITE = "demo-gazette"
DAYS = 14
MAX_AGE = timedelta(days=1)
"""An older archive is replaced, so that the demo shows recent articles."""
GONE, SPONSORED, UNDATED = "gone", "sponsored", "undated"
FAULTS = (GONE, SPONSORED, UNDATED)
"""Faults of pages; one article has each."""
ENTRY = """\
# The site of `make demo`; it is fictitious, and served only while the demo runs.
demo-gazette:
  kind: washington_city_paper
  domain: {domain}
  enabled: true
  schedule: never  # the demo starts its runs
  requests_per_second: 200
  concurrent_requests: 4
  parameters:
    ga_data_bucket: {events}
    days_of_data: {days}
"""
ARTICLE = re.compile(r"/article/(\d+)/([^/?]+)")
PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title} - Demo Gazette</title>{time}</head>
<body><header><h1>
  {title}
</h1></header><main id="primary"><article class="{tag}"><p>Nothing of this ever happened.</p></article></main></body>
</html>
"""


@dataclass(frozen=True)
class Article:
    """An article of the site."""

    external_id: str
    title: str
    topic: str
    slug: str
    published_at: str
    fault: str | None = None
    """One of `FAULTS`."""

    @property
    def path(self) -> str:
        """The path of its page."""
        return f"/article/{self.external_id}/{self.slug}/"

    @property
    def page(self) -> str:
        """Its page."""
        time = f'<meta property="article:published_time" content="{self.published_at}">'
        return PAGE.format(
            title=escape(self.title),
            time="" if self.fault == UNDATED else time,
            tag="tag-exclude" if self.fault == SPONSORED else "tag-news",
        )


@dataclass(frozen=True)
class Gazette:
    """The site's archive."""

    end: datetime
    """The instant of the demo's runs."""
    articles: list[Article]
    """Oldest first."""


def provide(console: Console) -> None:
    """
    Make the archive unless there is a recent one, and add the site to the user's file of sites.

    Raises:
        SitesError: the site is not known, and the user's file of sites, to which it is added, has an error.
    """
    settings = ArticleSettings.load()
    sites = load_sites(settings)
    if SITE not in sites:
        for error in sites.errors.values():
            raise error
        events = json.dumps(events_url(), ensure_ascii=False)
        entry = ENTRY.format(domain=generate.DOMAIN, events=events, days=DAYS)
        own_file = PlatformSettings.load().home / BUILT_IN.name
        if settings.sites_file or not _append(own_file, entry):
            console.print(
                f"{settings.sites_file or own_file} is yours, so the demo leaves article recommendations out. To "
                f"include them, add to it:\n\n{entry}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            return
    now, found = datetime.now(UTC), load()
    if found is None or not now - MAX_AGE < found.end <= now:
        _make(now.replace(microsecond=0))


def is_known() -> bool:
    """Return whether the platform may run the site."""
    site = load_sites(ArticleSettings.load()).get(SITE)
    return site is not None and site.enabled


def load() -> Gazette | None:
    """Return the archive; `None` if there is none."""
    found = read_json(_folder() / "gazette.json")
    if found is None:
        return None
    return Gazette(datetime.fromisoformat(found["end"]), [Article(**each) for each in found["articles"]])


def events_url() -> str:
    """Return the URL of the root of the events."""
    return f"file://{_folder() / 'events'}"


def serve(articles: Sequence[Article]) -> AbstractContextManager[str]:
    """Serve the site while the block runs; yields its base URL."""
    return server.serve(partial(_Site, {article.external_id: article for article in articles}))


class _Site(BaseHTTPRequestHandler):
    """Answers with an article's page; a path with an old slug redirects to the present one."""

    def __init__(self, articles: dict[str, Article], *arguments: Any) -> None:
        self.articles = articles
        super().__init__(*arguments)

    def do_GET(self) -> None:
        found = ARTICLE.match(self.path)
        article = self.articles.get(found[1]) if found else None
        if found is None or article is None or article.fault == GONE:
            self._respond(HTTPStatus.NOT_FOUND, "there is no such page")
        elif found[2] != article.slug:
            self._respond(HTTPStatus.MOVED_PERMANENTLY, "the page has moved", location=article.path)
        else:
            self._respond(HTTPStatus.OK, article.page)

    def _respond(self, status: HTTPStatus, text: str, **headers: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {
            "content-type": "text/html; charset=utf-8",
            "content-length": str(len(body)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the demo prints its own lines."""


def _folder() -> Path:
    return PlatformSettings.load().home / "data" / SITE


def _make(end: datetime) -> None:
    folder = _folder()
    (folder / "gazette.json").unlink(missing_ok=True)  # written last: without it there is no archive
    shutil.rmtree(folder / "events", ignore_errors=True)
    site = generate.make(days=DAYS, end=end)
    generate.write(site, folder / "events")
    records = site.articles.drop(columns="old_slug").assign(
        published_at=[each.isoformat() for each in site.articles["published_at"]], fault=None
    )
    widely_read = len(records) * 2 // 3
    records.loc[widely_read : widely_read + len(FAULTS) - 1, "fault"] = FAULTS
    write_json(folder / "gazette.json", {"end": end.isoformat(), "articles": records.to_dict("records")})


def _append(file: Path, entry: str) -> bool:
    """Append a site to the file if that leaves its other content intact; return whether it was appended."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    addition = ("" if text.endswith("\n") or not text else "\n") + ("\n" if text else "") + entry
    try:
        extended = yaml.safe_load(text + addition)
    except yaml.YAMLError:
        return False
    if extended != {**(yaml.safe_load(text) or {}), **yaml.safe_load(entry)}:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as opened:
        opened.write(addition)
    return True
