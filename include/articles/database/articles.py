"""The tables `article` and `path`: the articles of the sites, and paths that are known not to be articles."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Engine, Executable, Row, Select, Table, and_, case, delete, func, not_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from include.articles.database.tables import ARTICLE, PATH
from include.articles.sites.adapters.base import EXCLUSIONS, Metadata
from include.core.database.errors import RESTART_SECONDS, retry

log = logging.getLogger(__name__)

T = TypeVar("T")

GONE = "gone"
"""Reason to exclude an article that its site no longer has."""
OF_SITE = (GONE, *EXCLUSIONS)
"""Reasons that a refresh sets and lifts; any other is an editor's, and stays."""
PART_ROWS = 1_000
MAX_KEY_BYTES = 2_000
"""Limit of ids and paths: an entry of a PostgreSQL index holds 2,704 bytes, and includes the site."""


@dataclass(frozen=True)
class StoredArticle:
    """A row of `article`."""

    id: int
    external_id: str
    title: str
    path: str
    published_at: datetime | None
    excluded_reason: str | None
    """Why it must not be recommended; `None` if it may be."""
    missing_count: int
    """Number of runs in a row that did not find it."""
    updated_at: datetime


def read(engine: Engine, site: str, external_ids: Iterable[str]) -> dict[str, StoredArticle]:
    """Return external id → article for the stored ones among *external_ids*."""
    columns = [ARTICLE.c[name] for name in StoredArticle.__dataclass_fields__]
    found = {}
    for part in _parts(filter(_is_key, external_ids)):
        statement = select(*columns).where(ARTICLE.c.site == site, ARTICLE.c.external_id.in_(part))
        found |= {row.external_id: StoredArticle(*row) for row in _read(engine, statement)}
    return found


def ids(engine: Engine, site: str, external_ids: Iterable[str]) -> dict[str, int]:
    """Return external id → id in the database for the stored ones among *external_ids*."""
    return {external_id: article.id for external_id, article in read(engine, site, external_ids).items()}


def upsert(engine: Engine, site: str, articles: Iterable[Metadata], now: datetime) -> None:
    """
    Insert or update articles; safe with concurrent writers.

    An article without a publication time keeps the stored one, and one that an editor has excluded stays excluded. An
    article whose id or path is not valid text or longer than `MAX_KEY_BYTES` is left out and logged.
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
        for _, article in sorted(latest.items())  # in a fixed order, so that two writers cannot deadlock
    ]
    statement = _insert(engine, ARTICLE)
    new = statement.excluded
    by_editor = and_(*[ARTICLE.c.excluded_reason != reason for reason in OF_SITE])  # not true for null
    changes = {
        "title": new.title,
        "path": new.path,
        "published_at": func.coalesce(new.published_at, ARTICLE.c.published_at),
        "excluded_reason": case((by_editor, ARTICLE.c.excluded_reason), else_=new.excluded_reason),
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
    Count a run that did not find articles; after *limit* such runs in a row the articles are excluded.

    A retried run counts once: rows updated since its instant are left alone. So are rows that a later run has updated
    when an old run is repeated.

    Args:
        engine: the database.
        site: the articles' site.
        external_ids: articles that the site no longer has; unknown ones are ignored.
        run_at: the instant of the run.
        now: the present time.
        limit: number of runs in a row.
    """
    count = ARTICLE.c.missing_count + 1
    is_gone = and_(count >= limit, ARTICLE.c.excluded_reason.is_(None))
    changes = {
        "missing_count": count,
        "excluded_reason": case((is_gone, GONE), else_=ARTICLE.c.excluded_reason),
        "updated_at": max(now, run_at),  # the instant comes from the scheduler, whose clock may be ahead
    }
    for part in _parts(sorted(filter(_is_key, external_ids))):
        own = and_(ARTICLE.c.site == site, ARTICLE.c.external_id.in_(part), ARTICLE.c.updated_at < run_at)
        _write(engine, update(ARTICLE).where(own).values(changes))


def rejected_paths(engine: Engine, site: str, paths: Iterable[str], today: datetime) -> set[str]:
    """
    Return the paths that are known not to be articles and need no further request.

    A page may become an article in its first hours, so a path first rejected on this UTC date is requested once more.
    """
    midnight = today.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    is_fresh = and_(PATH.c.created_at >= midnight, PATH.c.updated_at == PATH.c.created_at)
    found: set[str] = set()
    for part in _parts(filter(_is_key, paths)):
        own = and_(PATH.c.site == site, PATH.c.path.in_(part), PATH.c.external_id.is_(None))
        found.update(row.path for row in _read(engine, select(PATH.c.path).where(own, not_(is_fresh))))
    return found


def reject_paths(engine: Engine, site: str, rows: Iterable[tuple[str, str]], now: datetime) -> None:
    """Store paths that are not articles, each with the reason; paths that cannot be keys are left out."""
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
    """Delete rejected paths: they have turned out to be articles."""
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
    """Return an INSERT that supports ON CONFLICT."""
    return {"postgresql": postgresql.insert, "sqlite": sqlite.insert}[engine.dialect.name](table)


def _is_key(text: str) -> bool:
    """Return whether a text can be stored and found: no NUL, which PostgreSQL lacks, and no lone surrogate."""
    try:
        return len(text.encode()) <= MAX_KEY_BYTES and "\0" not in text
    except UnicodeEncodeError:
        return False


def _text(title: str) -> str:
    return title.encode(errors="replace").decode().replace("\0", "")


def _parts(values: Iterable[T]) -> Iterator[Sequence[T]]:
    following = iter(values)
    while part := list(islice(following, PART_ROWS)):
        yield part
