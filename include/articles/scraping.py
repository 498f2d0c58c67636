"""Titles and times of publication from a newsroom's site: who is asked about, what is kept, what may be recommended."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from include.articles.database import articles as database
from include.articles.newsrooms.base import PATH_BYTES, Metadata, PageError, Question, Reply
from include.articles.settings import ArticleSettings
from include.articles.sites import Site

log = logging.getLogger(__name__)

Fetch = Callable[[Iterable[Question]], Iterable[tuple[Question, Reply | PageError]]]
"""Answers questions, in any order, as the answers come."""

BATCH = 50
BATCH_TIME = timedelta(seconds=5)
"""What is known is written after so many answers, or so long: a task that is ended loses no more."""
MISSING_RUNS = 3
"""An article that so many runs in a row did not find is gone."""
NO_POST = "failed_site_validation"
AMP = re.compile(r"/[vc]/s/|.*/amp/?([?#]|$)|.*[?&]amp\b", re.DOTALL)
"""Paths of copies that AMP caches and plugins make."""


def scrape(
    engine: Engine,
    site: Site,
    paths: pd.DataFrame,
    fetch: Fetch,
    run_at: datetime,
    settings: ArticleSettings,
    clock: Callable[[], datetime],
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """
    Ask a site about the articles that are not known or may have changed, and give those that may be recommended.

    A site is asked once for each article. The rows that are written carry `run_at` as their time, so that a run that is
    tried again counts an article that is gone once.

    Args:
        engine: of the articles' database.
        site: the newsroom.
        paths: one row for each path of an article; columns `external_id` and `path`.
        fetch: asks the site.
        run_at: the instant of the run.
        settings: `metadata_refresh_hours` and `metadata_backfill_before` say what may have changed.
        clock: gives the present; says when to write what has come.

    Returns:
        A table with one row an article that may be recommended, in the order of external ids, and counts. The columns
        are `article_id` (int), `external_id`, `published_at` (UTC) and `landing_page_path`, the canonical one. The
        counts are `asked`, `creates`, `updates` and `errors`, a count for each kind.
    """
    candidates: dict[str, list[str]] = {}
    for external_id, path in zip(paths["external_id"].astype(str), paths["path"].astype(str), strict=True):
        candidates.setdefault(external_id, []).append(path)
    known = database.read(engine, site.name, sorted(candidates))
    wanted = {
        external_id: found
        for external_id, found in candidates.items()
        if external_id not in known or _may_have_changed(known[external_id], run_at, settings)
    }
    questions = _questions(engine, site, wanted, known, run_at)
    log.info("%s: %d articles, %d to ask for", site.name, len(candidates), len(questions))
    answers = _Answers(engine, site, known, run_at)
    answers.collect(fetch(questions), clock)
    stored = database.read(engine, site.name, sorted(candidates))
    return _recommendable(stored), {"articles": len(candidates), "asked": len(questions), **answers.counts}


def _may_have_changed(article: database.Known, run_at: datetime, settings: ArticleSettings) -> bool:
    fresh_since = run_at - timedelta(hours=settings.metadata_refresh_hours)
    if article.published_at is None or article.published_at > fresh_since:
        return True
    before = settings.metadata_backfill_before
    return before is not None and article.updated_at < _midnight(before)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _questions(
    engine: Engine,
    site: Site,
    wanted: Mapping[str, list[str]],
    known: Mapping[str, database.Known],
    run_at: datetime,
) -> list[Question]:
    """Choose a path for each article; the articles that are not known come first."""
    usable = {each: [path for path in paths if _is_usable(path)] for each, paths in wanted.items()}
    if site.newsroom.asks_api:
        every = sorted({path for paths in usable.values() for path in paths})
        rejected = database.rejected_paths(engine, site.name, every, run_at)
        usable = {each: [path for path in paths if path not in rejected] for each, paths in usable.items()}
    questions = []
    for external_id in sorted(usable, key=lambda each: (each in known, each)):
        if usable[external_id]:
            stored = known[external_id].path if external_id in known else None
            path = min(usable[external_id], key=lambda path: _preference(path, stored))
            questions.append(Question(external_id, path, site.newsroom.target(external_id, path)))
    return questions


def _is_usable(path: str) -> bool:
    return path.isprintable() and len(path.encode()) <= PATH_BYTES


def _preference(path: str, stored: str | None) -> tuple[bool, bool, bool, int, str]:
    """Order paths: the canonical one if it is known, then no AMP, no query, short, and in the order of the alphabet."""
    return path != stored, AMP.match(path) is not None, "?" in path, len(path), path


class _Answers:
    """Takes the answers of a site and writes what they say."""

    def __init__(self, engine: Engine, site: Site, known: Mapping[str, database.Known], run_at: datetime) -> None:
        self.engine, self.site, self.known, self.run_at = engine, site, known, run_at
        self.creates = self.updates = 0
        self.errors: Counter[str] = Counter()
        self._found: list[Metadata] = []
        self._accepted: list[str] = []
        self._missing: list[str] = []
        self._rejected: list[tuple[str, str]] = []

    @property
    def counts(self) -> dict[str, Any]:
        return {"creates": self.creates, "updates": self.updates, "errors": dict(sorted(self.errors.items()))}

    def collect(self, answers: Iterable[tuple[Question, Reply | PageError]], clock: Callable[[], datetime]) -> None:
        """Take all answers, and write them in batches."""
        written = clock()
        for question, answer in answers:
            try:
                self._found.append(self._metadata(question, answer))
                self._accepted.append(question.path)
            except PageError as error:
                self._note(question, error)
            if len(self._found) >= BATCH or clock() - written >= BATCH_TIME:
                self._write()
                written = clock()
        self._write()

    def _metadata(self, question: Question, answer: Reply | PageError) -> Metadata:
        if isinstance(answer, PageError):
            if answer.kind == "not_found" and self.site.newsroom.asks_api:
                raise PageError("http_status", answer.detail)  # it is the API that is not there
            raise answer
        newsroom = self.site.newsroom
        found = newsroom.validate(question, answer, newsroom.parse(answer))
        if found.published_at is None and question.external_id not in self.known:
            raise PageError("no_published_at", f"{found.path}: a time of publication was expected, found none")
        return found

    def _note(self, question: Question, error: PageError) -> None:
        log.info("%s: no metadata of %s: %s: %s", self.site.name, question.external_id, error.kind, error.detail)
        self.errors[error.kind] += 1
        if error.kind == "not_found" and question.external_id in self.known:
            self._missing.append(question.external_id)
        elif error.kind in ("not_found", "not_an_article") and self.site.newsroom.asks_api:
            self._rejected.append((question.path, NO_POST))

    def _write(self) -> None:
        engine, site = self.engine, self.site.name
        database.upsert(engine, site, self._found, self.run_at)
        database.note_missing(engine, site, self._missing, self.run_at, self.run_at, MISSING_RUNS)
        if self.site.newsroom.asks_api:
            database.forget_paths(engine, site, self._accepted)
            database.reject_paths(engine, site, self._rejected, self.run_at)
        updates = sum(each.external_id in self.known for each in self._found)
        self.creates, self.updates = self.creates + len(self._found) - updates, self.updates + updates
        log.info("%s: %d written, %d errors so far", site, self.creates + self.updates, self.errors.total())
        self._found, self._accepted, self._missing, self._rejected = [], [], [], []


def _recommendable(stored: Mapping[str, database.Known]) -> pd.DataFrame:
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
