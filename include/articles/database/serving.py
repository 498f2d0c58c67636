"""Queries of the API: recommendations, defaults, models, articles. Read-only, on SQLite and PostgreSQL.

Results are lists of JSON objects: an instant is ISO-8601 text with its offset, a score is text with 6 decimals. Ties in
the requested order are broken by rank and then by id, so the order is deterministic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Engine, Select, Table, select
from sqlalchemy.sql.elements import ColumnElement

from include.articles.database.tables import ARTICLE, DEFAULT_SOURCE, MODEL, RECOMMENDATION

MAX_DEFAULTS = 2_000
MAX_ARTICLES = 500

REC_COLUMNS = ("id", "created_at", "updated_at", "source_entity_id", "score", "rank")
MODEL_COLUMNS = ("id", "type", "status", "site", "created_at", "updated_at")
ARTICLE_COLUMNS = ("id", "external_id", "title", "path", "published_at", "site", "created_at", "updated_at")


@dataclass(frozen=True)
class Order:
    """The column to sort by, if the table has it, and the direction."""

    column: str | None = None
    descending: bool = True


@dataclass(frozen=True)
class RecommendationQuery:
    """Which recommendations to read. Hashable: equal queries have equal results."""

    site: str
    type: str = "article"
    """Type of the model; the current one is read."""
    model_id: int | None = None
    """A model of the site with any status, in place of the current one."""
    source: str | None = None
    """External id of the source article; `None`: all sources."""
    exclude: frozenset[str] = frozenset()
    """External ids of targets to leave out."""
    size: int = 100
    order: Order = Order()


def recommendations(engine: Engine, query: RecommendationQuery) -> list[dict[str, Any]]:
    """Read recommendations, best rank first unless the query has another order; excluded articles are left out."""
    if _has_nul(query.site, query.type, query.source or ""):
        return []
    its_model = select(MODEL.c.id).where(MODEL.c.site == query.site)
    if query.model_id is None:
        its_model = its_model.where(MODEL.c.type == query.type, MODEL.c.status == "current")
    else:
        its_model = its_model.where(MODEL.c.id == query.model_id)
    found = _recommendations(its_model)
    if query.source is not None:
        found = found.where(RECOMMENDATION.c.source_entity_id == query.source)
    if excluded := sorted(external_id for external_id in query.exclude if not _has_nul(external_id)):
        found = found.where(ARTICLE.c.external_id.not_in(excluded))
    order = [*_order(RECOMMENDATION, query.order), RECOMMENDATION.c.rank, RECOMMENDATION.c.id]
    return [_recommendation(row) for row in _rows(engine, found.order_by(*order).limit(query.size))]


def defaults(engine: Engine, site: str) -> list[dict[str, Any]]:
    """Read the recommendations of the current popularity model, best first."""
    query = RecommendationQuery(
        site, type="popularity", source=DEFAULT_SOURCE, size=MAX_DEFAULTS, order=Order("score", descending=True)
    )
    return recommendations(engine, query)


def models(engine: Engine, equal: Mapping[str, str], size: int, order: Order) -> list[dict[str, Any]]:
    """
    Read models, newest first unless another order is given.

    Args:
        engine: the database.
        equal: required values of columns, such as `{"site": "washington-city-paper"}`.
        size: maximum number of models.
        order: by any column.
    """
    if _has_nul(*equal.values()):
        return []
    found = select(*_some(MODEL, MODEL_COLUMNS)).where(*[MODEL.c[name] == value for name, value in equal.items()])
    found = found.order_by(*_order(MODEL, order), MODEL.c.id.desc()).limit(size)
    return [_object(MODEL_COLUMNS, row) for row in _rows(engine, found)]


def articles(engine: Engine, model_id: int, site: str | None = None) -> list[dict[str, Any]] | None:
    """
    Read the articles that a model has recommendations for, newest publication first; at most `MAX_ARTICLES`.

    Args:
        engine: the database.
        model_id: the model.
        site: required site of the model; `None`: any.

    Returns:
        The articles; `None` if there is no such model.
    """
    its_site = next(iter(_rows(engine, select(MODEL.c.site).where(MODEL.c.id == model_id))), (None,))[0]
    if its_site is None or site not in (None, its_site):
        return None
    sources = select(RECOMMENDATION.c.source_entity_id).where(RECOMMENDATION.c.model_id == model_id).distinct()
    found = (
        select(*_some(ARTICLE, ARTICLE_COLUMNS))
        .where(ARTICLE.c.site == its_site, ARTICLE.c.external_id.in_(sources), ARTICLE.c.excluded_reason.is_(None))
        .order_by(ARTICLE.c.published_at.desc().nulls_last(), ARTICLE.c.id.desc())
        .limit(MAX_ARTICLES)
    )
    return [_object(ARTICLE_COLUMNS, row) for row in _rows(engine, found)]


def search(engine: Engine, site: str, title: str, size: int) -> list[dict[str, Any]]:
    """
    Read the articles of a site whose title contains a text, without regard to case; newest publication first.

    Args:
        engine: the database.
        site: of the articles.
        title: the text; every character stands for itself.
        size: maximum number of articles.
    """
    if _has_nul(site, title):
        return []
    found = (
        select(*_some(ARTICLE, ARTICLE_COLUMNS))
        .where(ARTICLE.c.site == site, ARTICLE.c.title.icontains(title, autoescape=True))
        .where(ARTICLE.c.excluded_reason.is_(None))
        .order_by(ARTICLE.c.published_at.desc().nulls_last(), ARTICLE.c.id.desc())
        .limit(size)
    )
    return [_object(ARTICLE_COLUMNS, row) for row in _rows(engine, found)]


def article(engine: Engine, site: str, external_id: str) -> dict[str, Any] | None:
    """Read an article by the site's own id; `None`: there is none."""
    if _has_nul(site, external_id):
        return None
    found = select(*_some(ARTICLE, ARTICLE_COLUMNS)).where(ARTICLE.c.site == site, ARTICLE.c.external_id == external_id)
    return next((_object(ARTICLE_COLUMNS, row) for row in _rows(engine, found)), None)


def sites(engine: Engine) -> list[str]:
    """Read the names of the sites that have models."""
    return [row.site for row in _rows(engine, select(MODEL.c.site).distinct())]


def ping(engine: Engine) -> None:
    """Query the database; raises its error if that fails."""
    _rows(engine, select(MODEL.c.id).limit(1))


def _recommendations(its_model: Select[Any]) -> Select[Any]:
    # a subquery for the model's id makes SQLite look the model up first and use both columns of the recommendations'
    # index; with a plain join it reads the recommendations of all models
    joined = RECOMMENDATION.join(MODEL, MODEL.c.id == RECOMMENDATION.c.model_id).join(
        ARTICLE, ARTICLE.c.id == RECOMMENDATION.c.recommended_article_id
    )
    columns = [
        column.label(f"{table.name}_{column.name}")
        for table, names in ((RECOMMENDATION, REC_COLUMNS), (MODEL, MODEL_COLUMNS), (ARTICLE, ARTICLE_COLUMNS))
        for column in _some(table, names)
    ]
    return (
        select(*columns)
        .select_from(joined)
        .where(
            RECOMMENDATION.c.model_id == its_model.correlate(None).scalar_subquery(),
            ARTICLE.c.excluded_reason.is_(None),
        )
    )


def _recommendation(row: Sequence[Any]) -> dict[str, Any]:
    model, article = len(REC_COLUMNS), len(REC_COLUMNS) + len(MODEL_COLUMNS)
    found = _object(REC_COLUMNS, row[:model])
    return found | {
        "score": f"{found['score']:.6f}",
        "model": _object(MODEL_COLUMNS, row[model:article]),
        "recommended_article": _object(ARTICLE_COLUMNS, row[article:]),
    }


def _some(table: Table, names: Sequence[str]) -> list[Column[Any]]:
    return [table.c[name] for name in names]


def _order(table: Table, order: Order) -> list[ColumnElement[Any]]:
    if order.column is None or order.column not in table.c:
        return []
    column = table.c[order.column]
    return [(column.desc() if order.descending else column.asc()).nulls_last()]


def _object(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return dict(zip(names, plain, strict=True))


def _has_nul(*texts: str) -> bool:
    """Return whether a text contains NUL, which no stored text does and PostgreSQL rejects in a query."""
    return any("\0" in text for text in texts)


def _rows(engine: Engine, statement: Select[Any]) -> Sequence[Any]:
    with engine.connect() as connection:
        return connection.execute(statement).all()
