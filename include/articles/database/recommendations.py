"""The table `recommendation`: the lists of a model."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, delete, func, insert, literal_column, select
from sqlalchemy.types import TypeEngine

from include.articles.database.status import Status, hold
from include.articles.database.tables import ARTICLE, RECOMMENDATION
from include.core.database.bulk import stream
from include.core.database.errors import RESTART_SECONDS, retry
from include.core.errors import BadDataError

PART_ROWS = 10_000
"""Maximum number of rows that one transaction writes or deletes, so that others hardly wait for it."""
SCORE_DECIMALS = 6
LIST_COLUMNS = {
    "source": RECOMMENDATION.c.source_entity_id,
    "rank": RECOMMENDATION.c.rank,
    "article_id": RECOMMENDATION.c.recommended_article_id,
    "score": RECOMMENDATION.c.score,
}
"""Column of a table of lists → column of the database table."""


class BadRecommendationsError(BadDataError):
    """Lists that must not be stored."""


@dataclass(frozen=True)
class Size:
    """Size of a model."""

    rows: int
    sources: int
    targets: int
    """Number of distinct articles that are recommended."""


@retry(seconds=RESTART_SECONDS).wraps
def write(engine: Engine, model_id: int, lists: pd.DataFrame, now: datetime) -> None:
    """
    Write the lists of a pending model, replacing those it has.

    This takes several transactions: a model is not served before it is promoted, and a retry begins anew.

    Args:
        engine: the database.
        model_id: a pending model.
        lists: columns `source` (text), `rank` (from 1), `article_id` and `score` (0 to 1); others are ignored.
        now: the present time.

    Raises:
        BadRecommendationsError: the lists must not be stored; nothing has changed.
        ModelStatusError: the model is not pending.
    """
    check(lists)
    empty(engine, model_id)
    fixed: dict[str, tuple[Any, TypeEngine[Any]]] = {
        "model_id": (int(model_id), RECOMMENDATION.c.model_id.type),
        "created_at": (now, RECOMMENDATION.c.created_at.type),
        "updated_at": (now, RECOMMENDATION.c.updated_at.type),
    }
    # literals are not sent with each row, which halves the time on PostgreSQL
    literals = {name: _literal(engine, value, kind) for name, (value, kind) in fixed.items()}
    statement = insert(RECOMMENDATION).values(literals)
    following = _rows(lists)
    while part := list(islice(following, PART_ROWS)):
        with engine.begin() as connection:
            hold(connection, model_id, Status.PENDING)
            connection.execute(statement, part)


def check(lists: pd.DataFrame) -> None:
    """
    Check lists for rows that must never be served.

    Raises:
        BadRecommendationsError: a column is missing; a row has no source, no article, a rank below 1, or a score that
            is not a number from 0 to 1; an article occurs twice in the list of a source.
    """
    if missing := LIST_COLUMNS.keys() - set(lists.columns):
        raise BadRecommendationsError(f"lists have no column {', '.join(sorted(missing))}")
    checks = {
        "no source": lists["source"].isna() | (lists["source"] == ""),
        "no article": lists["article_id"].isna(),
        "a rank below 1": ~(lists["rank"] >= 1),
        "a score that is not from 0 to 1": ~lists["score"].between(0, 1),
        "an article that the list has already": lists.duplicated(["source", "article_id"]),
    }
    for problem, bad in checks.items():
        if bad.any():
            first = lists.loc[bad.to_numpy(), list(LIST_COLUMNS)].iloc[0].to_dict()
            raise BadRecommendationsError(f"{bad.sum()} of {len(lists)} recommendations have {problem}, as {first}")


@retry(seconds=RESTART_SECONDS).wraps
def empty(engine: Engine, model_id: int) -> None:
    """
    Delete the lists of a pending model.

    Raises:
        ModelStatusError: it is not pending.
    """
    deleted = PART_ROWS
    while deleted == PART_ROWS:
        with engine.begin() as connection:
            hold(connection, model_id, Status.PENDING)
            deleted = delete_part(connection, model_id)


def delete_part(connection: Connection, model_id: int) -> int:
    """Delete at most `PART_ROWS` recommendations of a model; return how many."""
    part = select(RECOMMENDATION.c.id).where(RECOMMENDATION.c.model_id == model_id).limit(PART_ROWS)
    return connection.execute(delete(RECOMMENDATION).where(RECOMMENDATION.c.id.in_(part))).rowcount


def size(connection: Connection, model_id: int) -> Size:
    """Return the size of a model."""
    counts = (
        func.count(),
        func.count(RECOMMENDATION.c.source_entity_id.distinct()),
        func.count(RECOMMENDATION.c.recommended_article_id.distinct()),
    )
    return Size(*connection.execute(select(*counts).where(RECOMMENDATION.c.model_id == model_id)).one())


def read_lists(engine: Engine, model_id: int) -> pd.DataFrame:
    """Return the lists of a model as columns `source`, `rank`, `external_id` (of the target) and `score`, in order."""
    columns = {
        "source": RECOMMENDATION.c.source_entity_id,
        "rank": RECOMMENDATION.c.rank,
        "external_id": ARTICLE.c.external_id,
        "score": RECOMMENDATION.c.score,
    }
    statement = select(*columns.values()).join(ARTICLE).where(RECOMMENDATION.c.model_id == model_id)
    found = [row for part in stream(engine, statement, PART_ROWS) for row in part]
    lists = pd.DataFrame(found, columns=list(columns)).astype({"rank": "int64", "score": "float64"})
    return lists.sort_values(["source", "rank"], ignore_index=True)


def _rows(lists: pd.DataFrame) -> Iterator[dict[str, Any]]:
    names = [column.name for column in LIST_COLUMNS.values()]
    ordered = lists[list(LIST_COLUMNS)].astype({"rank": "int64", "article_id": "int64", "score": "float64"})
    ordered["score"] = ordered["score"].round(SCORE_DECIMALS)  # PostgreSQL rounds by itself, SQLite does not
    for row in zip(*(ordered[name].tolist() for name in LIST_COLUMNS), strict=True):
        yield dict(zip(names, row, strict=True))


def _literal(engine: Engine, value: Any, kind: TypeEngine[Any]) -> Any:
    """Return a value as a literal of a statement."""
    write_ = kind.dialect_impl(engine.dialect).literal_processor(engine.dialect)
    return literal_column(write_(value) if write_ else str(value))
