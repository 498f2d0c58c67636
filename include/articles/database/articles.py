"""The tables `article` and `path`: what is known of a site's articles, and paths that are none."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Engine, Executable, Row, Select, Table, and_, case, delete, func, not_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from include.articles.database.tables import ARTICLE, PATH
from include.articles.sites.adapters.base import Metadata
from include.core.database.errors import RESTART_SECONDS, retry

log = logging.getLogger(__name__)

T = TypeVar("T")

GONE = "gone"
"""Why an article is excluded that its site no longer has."""
PART_ROWS = 1_000
KEY_BYTES = 2_000
"""Longest id or path: an entry of PostgreSQL's indexes holds 2,704 bytes, and the site goes in with it."""


@dataclass(frozen=True)
class StoredArticle:
    """What is stored of an article."""

    id: int
    external_id: str
    title: str
    path: str
    published_at: datetime | None
    excluded_reason: str | None
    """Why it must not be recommended; `None`: it may be."""
    missing_count: int
    """Runs in a row that found it gone."""
    updated_at: datetime


def read(engine: Engine, site: str, external_ids: Iterable[str]) -> dict[str, StoredArticle]:
    """Look articles up; give external id → article for those that are known."""
    columns = [ARTICLE.c[name] for name in StoredArticle.__dataclass_fields__]
    found = {}
    for part in _parts(filter(_is_key, external_ids)):
        statement = select(*columns).where(ARTICLE.c.site == site, ARTICLE.c.external_id.in_(part))
        found |= {row.external_id: StoredArticle(*row) for row in _read(engine, statement)}
    return found


def ids(engine: Engine, site: str, external_ids: Iterable[str]) -> dict[str, int]:
    """Give external id → id in the database for the articles that are known."""
    return {external_id: known.id for external_id, known in read(engine, site, external_ids).items()}


def upsert(engine: Engine, site: str, articles: Iterable[Metadata], now: datetime) -> None:
    """
    Store articles as they have been found, new ones and known ones; others may do the same at the same time.

    An article without a time of publication keeps the one it has. One whose id or path is no text or longer than
    `KEY_BYTES` is left out, which is logged.
    """
    latest: dict[str, Metadata] = {}
    for article in articles:
        if not (_is_key(article.external_id) and _is_key(article.path)):
            log.warning("%s: article %.100r is not stored, its path is %.100r", site, article.external_id, article.path)
            continue
        before = latest.get(article.external_id)
        published_at = article.published_at or (before.published_at if before else None)
        latest[article.external_id] = replace(article, published_at=published_at)
    rows = [
        {
            "site": site,
            "external_id": article.external_id,
            "title": _text(article.title),
            "path": article.path,
            "published_at": article.published_at,
            "excluded_reason": article.excluded_reason,
            "created_at": now,
            "updated_at": now,
        }
        for _, article in sorted(latest.items())  # all in the same order, so that two of them cannot deadlock
    ]
    statement = _insert(engine, ARTICLE)
    new = statement.excluded
    changes = {
        "title": new.title,
        "path": new.path,
        "published_at": func.coalesce(new.published_at, ARTICLE.c.published_at),
        "excluded_reason": new.excluded_reason,
        "missing_count": 0,
        "updated_at": new.updated_at,
    }
    statement = statement.on_conflict_do_update(index_elements=["site", "external_id"], set_=changes)
    for part in _parts(rows):
        _write(engine, statement, part)


def note_missing(
    engine: Engine, site: str, external_ids: Iterable[str], run_at: datetime, now: datetime, limit: int = 3
) -> None:
    """
    Count that a run has found articles gone; after *limit* runs in a row they are excluded.

    A run counts once, however often it is tried: what has changed since its instant is left alone. So is what a
    later run has looked at, when an old one is run again.

    Args:
        engine: the database.
        site: the articles' site.
        external_ids: articles that the site no longer has; unknown ones are passed over.
        run_at: the run's instant.
        now: the time.
        limit: runs in a row.
    """
    count = ARTICLE.c.missing_count + 1
    is_gone = and_(count >= limit, ARTICLE.c.excluded_reason.is_(None))
    changes = {
        "missing_count": count,
        "excluded_reason": case((is_gone, GONE), else_=ARTICLE.c.excluded_reason),
        "updated_at": max(now, run_at),  # the clock of the scheduler, which gave the instant, may be ahead
    }
    for part in _parts(sorted(filter(_is_key, external_ids))):
        own = and_(ARTICLE.c.site == site, ARTICLE.c.external_id.in_(part), ARTICLE.c.updated_at < run_at)
        _write(engine, update(ARTICLE).where(own).values(changes))


def rejected_paths(engine: Engine, site: str, paths: Iterable[str], today: datetime) -> set[str]:
    """
    Tell which paths are known not to be articles and need no other look.

    A page may become an article in its first hours, so one that was rejected on this UTC date for the first time is
    looked at once more.
    """
    midnight = today.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    is_fresh = and_(PATH.c.created_at >= midnight, PATH.c.updated_at == PATH.c.created_at)
    found: set[str] = set()
    for part in _parts(filter(_is_key, paths)):
        own = and_(PATH.c.site == site, PATH.c.path.in_(part), PATH.c.external_id.is_(None))
        found.update(row.path for row in _read(engine, select(PATH.c.path).where(own, not_(is_fresh))))
    return found


def reject_paths(engine: Engine, site: str, rows: Iterable[tuple[str, str]], now: datetime) -> None:
    """Remember paths that are no articles, each with the reason; what cannot be a key is not remembered."""
    values = [
        {"site": site, "path": path, "exclude_reason": reason, "created_at": now, "updated_at": now}
        for path, reason in sorted(dict(rows).items())
        if _is_key(path)
    ]
    statement = _insert(engine, PATH)
    new = statement.excluded
    changes = {"external_id": None, "exclude_reason": new.exclude_reason, "updated_at": new.updated_at}
    statement = statement.on_conflict_do_update(index_elements=["site", "path"], set_=changes)
    for part in _parts(values):
        _write(engine, statement, part)


def forget_paths(engine: Engine, site: str, paths: Iterable[str]) -> None:
    """Forget that paths were no articles: another look has found that they are."""
    for part in _parts(sorted(filter(_is_key, paths))):
        _write(engine, delete(PATH).where(PATH.c.site == site, PATH.c.path.in_(part)))


@retry(seconds=RESTART_SECONDS).wraps
def _read(engine: Engine, statement: Select[Any]) -> Sequence[Row[Any]]:
    with engine.connect() as connection:
        return connection.execute(statement).all()


@retry(seconds=RESTART_SECONDS).wraps
def _write(engine: Engine, statement: Executable, rows: Sequence[dict[str, Any]] | None = None) -> None:
    with engine.begin() as connection:
        connection.execute(statement, rows)


def _insert(engine: Engine, table: Table) -> Any:
    """Make an INSERT that knows ON CONFLICT."""
    return {"postgresql": postgresql.insert, "sqlite": sqlite.insert}[engine.dialect.name](table)


def _is_key(text: str) -> bool:
    """Tell whether a text can be stored and found; PostgreSQL has no NUL, and no half of a surrogate pair is text."""
    try:
        return len(text.encode()) <= KEY_BYTES and "\0" not in text
    except UnicodeEncodeError:
        return False


def _text(title: str) -> str:
    return title.encode(errors="replace").decode().replace("\0", "")


def _parts(values: Iterable[T]) -> Iterator[Sequence[T]]:
    following = iter(values)
    while part := list(islice(following, PART_ROWS)):
        yield part
