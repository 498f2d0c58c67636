"""Titles and publication times of a run's articles: which to request from the site, what to store, what to return."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from include.articles.database import articles as database
from include.articles.settings import ArticleSettings
from include.articles.sites.adapters.base import (
    MAX_PATH_BYTES,
    Metadata,
    PageError,
    PageRequest,
    PageResponse,
    SiteAdapter,
)

log = logging.getLogger(__name__)

Outcomes = Iterable[tuple[PageRequest, PageResponse | PageError]]
Fetch = Callable[[Iterable[PageRequest]], Outcomes]
"""Sends requests and returns their outcomes as they arrive, in any order."""

BATCH = 50
BATCH_TIME = timedelta(seconds=5)
"""Results are written after this many, or this long: a task that is killed loses no more than that."""
MISSING_RUNS = 3
"""An article that this many runs in a row did not find is gone."""
NO_POST = "failed_site_validation"
AMP = re.compile(r"/[vc]/s/|.*/amp/?([?#]|$)|.*[?&]amp\b", re.DOTALL)
"""Paths of copies made by AMP caches and plugins."""


def scrape(
    engine: Engine,
    site: str,
    adapter: SiteAdapter,
    paths: pd.DataFrame,
    fetch: Fetch,
    run_at: datetime,
    settings: ArticleSettings,
    clock: Callable[[], datetime],
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """
    Request the articles that are unknown or may have changed, store their metadata, return what may be recommended.

    Each article is requested once. Rows are stamped with `run_at`, so that a retried run counts a missing article only
    once.

    Args:
        engine: the articles' database.
        site: name of the site.
        adapter: how the site names and describes its articles.
        paths: one row per path of an article; columns `external_id` and `path`.
        fetch: sends the requests.
        run_at: the instant of the run.
        settings: `metadata_refresh_hours` and `metadata_backfill_before` define what may have changed.
        clock: returns the present time; decides when a batch is written.

    Returns:
        A table with one row per article that may be recommended, in the order of external ids, and counts. The columns
        are `article_id` (int), `external_id`, `published_at` (UTC) and `landing_page_path`, the canonical one. The
        counts are `asked` (requests), `creates`, `updates` and `errors`, a count per kind.
    """
    candidates: dict[str, list[str]] = {}
    for external_id, path in zip(paths["external_id"].astype(str), paths["path"].astype(str), strict=True):
        candidates.setdefault(external_id, []).append(path)
    stored = database.read(engine, site, sorted(candidates))
    outdated = {
        external_id: found
        for external_id, found in candidates.items()
        if external_id not in stored or _may_have_changed(stored[external_id], run_at, settings)
    }
    requests = _requests(engine, site, adapter, outdated, stored, run_at)
    log.info("%s: %d articles, %d to request", site, len(candidates), len(requests))
    writer = _MetadataWriter(engine, site, adapter, stored, run_at)
    writer.consume(fetch(requests), clock)
    return (
        _recommendable(database.read(engine, site, sorted(candidates))),
        {"articles": len(candidates), "asked": len(requests), **writer.counts},
    )


def _may_have_changed(article: database.StoredArticle, run_at: datetime, settings: ArticleSettings) -> bool:
    fresh_since = run_at - timedelta(hours=settings.metadata_refresh_hours)
    if article.published_at is None or article.published_at > fresh_since:
        return True
    before = settings.metadata_backfill_before
    return before is not None and article.updated_at < _midnight(before)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _requests(
    engine: Engine,
    site: str,
    adapter: SiteAdapter,
    outdated: Mapping[str, list[str]],
    stored: Mapping[str, database.StoredArticle],
    run_at: datetime,
) -> list[PageRequest]:
    """Choose a path for each article; unknown articles come first."""
    usable = {each: [path for path in paths if _is_usable(path)] for each, paths in outdated.items()}
    if adapter.uses_api:
        every = sorted({path for paths in usable.values() for path in paths})
        rejected = database.rejected_paths(engine, site, every, run_at)
        usable = {each: [path for path in paths if path not in rejected] for each, paths in usable.items()}
    requests = []
    for external_id in sorted(usable, key=lambda each: (each in stored, each)):
        if usable[external_id]:
            canonical = stored[external_id].path if external_id in stored else None
            path = min(usable[external_id], key=lambda path: _preference(path, canonical))
            requests.append(PageRequest(external_id, path, adapter.target(external_id, path)))
    return requests


def _is_usable(path: str) -> bool:
    return path.isprintable() and len(path.encode()) <= MAX_PATH_BYTES


def _preference(path: str, canonical: str | None) -> tuple[bool, bool, bool, int, str]:
    """Sort key of paths: the canonical one, then no AMP, no query, the shortest, alphabetical order."""
    return path != canonical, AMP.match(path) is not None, "?" in path, len(path), path


class _MetadataWriter:
    """Validates the outcomes of requests and writes them in batches."""

    def __init__(
        self,
        engine: Engine,
        site: str,
        adapter: SiteAdapter,
        stored: Mapping[str, database.StoredArticle],
        run_at: datetime,
    ) -> None:
        self.engine, self.site, self.adapter, self.stored, self.run_at = engine, site, adapter, stored, run_at
        self.creates = self.updates = 0
        self.errors: Counter[str] = Counter()
        self._found: list[Metadata] = []
        self._accepted: list[str] = []
        self._missing: list[str] = []
        self._rejected: list[tuple[str, str]] = []

    @property
    def counts(self) -> dict[str, Any]:
        return {"creates": self.creates, "updates": self.updates, "errors": dict(sorted(self.errors.items()))}

    def consume(self, outcomes: Outcomes, clock: Callable[[], datetime]) -> None:
        """Validate all outcomes and write them in batches."""
        written = clock()
        for request, outcome in outcomes:
            try:
                self._found.append(self._metadata(request, outcome))
                self._accepted.append(request.path)
            except PageError as error:
                self._record(request, error)
            if len(self._found) >= BATCH or clock() - written >= BATCH_TIME:
                self._write()
                written = clock()
        self._write()

    def _metadata(self, request: PageRequest, outcome: PageResponse | PageError) -> Metadata:
        if isinstance(outcome, PageError):
            if outcome.kind == "not_found" and self.adapter.uses_api:
                raise PageError("http_status", outcome.detail)  # the API is missing, not the article
            raise outcome
        found = self.adapter.validate(request, outcome, self.adapter.parse(outcome))
        if found.published_at is None and request.external_id not in self.stored:
            raise PageError("no_published_at", f"{found.path}: a publication time was expected, found none")
        return found

    def _record(self, request: PageRequest, error: PageError) -> None:
        log.info("%s: no metadata of %s: %s: %s", self.site, request.external_id, error.kind, error.detail)
        self.errors[error.kind] += 1
        if error.kind == "not_found" and request.external_id in self.stored:
            self._missing.append(request.external_id)
        elif error.kind in ("not_found", "not_an_article") and self.adapter.uses_api:
            self._rejected.append((request.path, NO_POST))

    def _write(self) -> None:
        database.upsert(self.engine, self.site, self._found, self.run_at)
        database.note_missing(self.engine, self.site, self._missing, self.run_at, self.run_at, MISSING_RUNS)
        if self.adapter.uses_api:
            database.forget_paths(self.engine, self.site, self._accepted)
            database.reject_paths(self.engine, self.site, self._rejected, self.run_at)
        updates = sum(each.external_id in self.stored for each in self._found)
        self.creates, self.updates = self.creates + len(self._found) - updates, self.updates + updates
        log.info("%s: %d written, %d errors so far", self.site, self.creates + self.updates, self.errors.total())
        self._found, self._accepted, self._missing, self._rejected = [], [], [], []


def _recommendable(stored: Mapping[str, database.StoredArticle]) -> pd.DataFrame:
    rows = [
        (each.id, each.external_id, each.published_at, each.path)
        for _, each in sorted(stored.items())
        if each.excluded_reason is None and each.published_at is not None
    ]
    columns = ["article_id", "external_id", "published_at", "landing_page_path"]
    types = {"article_id": "int64", "external_id": "str", "landing_page_path": "str"}
    table = pd.DataFrame(rows, columns=columns).astype(types)
    published = pd.to_datetime(table["published_at"], utc=True).astype("datetime64[us, UTC]")
    return table.assign(published_at=published)
