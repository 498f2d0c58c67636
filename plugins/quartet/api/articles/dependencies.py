"""The parameters of the articles API: how they are described, and what is made of their text.

The routes read them from the query by themselves: FastAPI would take most of the time that an answer from the cache
needs, and has other words for refusals.
"""

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table
from starlette.datastructures import QueryParams

from include.articles.database.serving import Order, RecommendationQuery
from include.articles.database.tables import MODEL, RECOMMENDATION
from quartet.api.articles.schemas import RefusedError

DEFAULT_SIZE, SIZES = 100, range(1, 500)
INTEGER = re.compile(r"-?[0-9]{1,30}", re.ASCII)
IDS = range(-(2**63), 2**63)


def _described(name: str, description: str, place: str = "query", **schema: Any) -> dict[str, Any]:
    schema.setdefault("type", "string")
    return {"name": name, "in": place, "required": place == "path", "description": description, "schema": schema}


def _sorting(table: Table) -> list[dict[str, Any]]:
    return [
        _described("sort_by", f"one of {', '.join(table.c.keys())}; anything else is no order"),
        _described("order_by", "`asc` or `desc`, for `sort_by`; anything else is `desc`"),
        _described(
            "size", "how many at most", type="integer", minimum=SIZES[0], maximum=SIZES[-1], default=DEFAULT_SIZE
        ),
    ]


SITE = _described("site", "whose models and articles")
RECOMMENDATIONS = [
    SITE,
    _described("source_entity_id", "external id of the article that is read"),
    _described("model_type", "`article` or `popularity`: the current model of the site", default="article"),
    _described("model_id", "a model of the site instead, with any status", type="integer"),
    _described("exclude", "external ids of articles not wanted, with commas"),
    *_sorting(RECOMMENDATION),
]
MODELS = [
    SITE,
    _described("type", "`article` or `popularity`"),
    _described("status", "`pending`, `current`, `stale` or `failed`"),
    *_sorting(MODEL),
]
ARTICLES = [_described("model_id", "a model", "path", type="integer"), SITE]


def wanted(query: QueryParams, site: str) -> RecommendationQuery:
    """Read which recommendations of a site are asked for; raises `RefusedError`."""
    return RecommendationQuery(
        site=site,
        type=query.get("model_type") or "article",
        model_id=_model_id(query.get("model_id")),
        source=_unquoted(query.get("source_entity_id")),
        exclude=_ids(query.getlist("exclude")),
        size=size(query),
        order=order(query, RECOMMENDATION),
    )


def size(query: QueryParams) -> int:
    """Read how many are wanted; raises `RefusedError`."""
    text = query.get("size")
    number = DEFAULT_SIZE if text is None else integer(text)
    if number is None or number not in SIZES:
        raise RefusedError(400, f"Invalid input for 'size' (int), must be below {SIZES.stop}: {text}")
    return number


def order(query: QueryParams, table: Table) -> Order:
    """Read the order; a column that the table does not have is no order at all."""
    column = query.get("sort_by")
    return Order(column, query.get("order_by") != "asc") if column is not None and column in table.c else Order()


def integer(text: str) -> int | None:
    """Read an integer; `None`: it is none, or none that a database has."""
    if not INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if number in IDS else None


def _model_id(text: str | None) -> int | None:
    number = None if text is None else integer(text)
    if text is not None and number is None:
        raise RefusedError(400, f"Invalid input for 'model_id' (int): {text}")
    return number


def _unquoted(source: str | None) -> str | None:
    """Take an id out of one pair of quotes, which some widgets put around it."""
    if source and len(source) > 1 and source[0] == source[-1] and source[0] in "'\"":
        return source[1:-1]
    return source


def _ids(listed: Iterable[str]) -> frozenset[str]:
    return frozenset(each.strip() for part in listed for each in part.split(",")) - {""}
