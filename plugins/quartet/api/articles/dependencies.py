"""Parameters of the articles API: their documentation, and how they are parsed.

They are parsed by hand: validation by FastAPI would take most of the time of a response from the cache, and has other
error messages than the specification.
"""

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table
from starlette.datastructures import QueryParams

from include.articles.database.serving import Order, RecommendationQuery
from include.articles.database.tables import MODEL, RECOMMENDATION

DEFAULT_SIZE, SIZES = 100, range(1, 500)
INTEGER = re.compile(r"-?[0-9]{1,30}", re.ASCII)
IDS = range(-(2**63), 2**63)


class InvalidParameterError(ValueError):
    """A parameter has a value that is not allowed."""


def _described(name: str, description: str, place: str = "query", **schema: Any) -> dict[str, Any]:
    schema.setdefault("type", "string")
    return {"name": name, "in": place, "required": place == "path", "description": description, "schema": schema}


def _sorting(table: Table) -> list[dict[str, Any]]:
    return [
        _described("sort_by", f"one of {', '.join(table.c.keys())}; anything else is ignored"),
        _described("order_by", "`asc` or `desc`, for `sort_by`; anything else means `desc`"),
        _described("size", "maximum number", type="integer", minimum=SIZES[0], maximum=SIZES[-1], default=DEFAULT_SIZE),
    ]


SITE = _described("site", "site of the models and articles")
RECOMMENDATIONS = [
    SITE,
    _described("source_entity_id", "external id of the article being read"),
    _described("model_type", "`article` or `popularity`: the current model of the site", default="article"),
    _described("model_id", "a model of the site with any status, in place of the current one", type="integer"),
    _described("exclude", "external ids of articles to leave out, separated by commas"),
    *_sorting(RECOMMENDATION),
]
MODELS = [
    SITE,
    _described("type", "`article` or `popularity`"),
    _described("status", "`pending`, `current`, `stale` or `failed`"),
    *_sorting(MODEL),
]
ARTICLES = [_described("model_id", "a model", "path", type="integer"), SITE]


def recommendation_query(query: QueryParams, site: str) -> RecommendationQuery:
    """
    Return the query for recommendations of a site.

    Raises:
        InvalidParameterError: `model_id` or `size` is not valid.
    """
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
    """
    Return the maximum number of results.

    Raises:
        InvalidParameterError: `size` is not an integer within the limits.
    """
    text = query.get("size")
    number = DEFAULT_SIZE if text is None else integer(text)
    if number is None or number not in SIZES:
        raise InvalidParameterError(f"Invalid input for 'size' (int), must be below {SIZES.stop}: {text}")
    return number


def order(query: QueryParams, table: Table) -> Order:
    """Return the order of the results; an unknown column is ignored."""
    column = query.get("sort_by")
    return Order(column, query.get("order_by") != "asc") if column is not None and column in table.c else Order()


def integer(text: str) -> int | None:
    """Return an integer that a database accepts; `None` for anything else."""
    if not INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if number in IDS else None


def _model_id(text: str | None) -> int | None:
    number = None if text is None else integer(text)
    if text is not None and number is None:
        raise InvalidParameterError(f"Invalid input for 'model_id' (int): {text}")
    return number


def _unquoted(source: str | None) -> str | None:
    """Remove one pair of quotes, which some widgets put around an id."""
    if source and len(source) > 1 and source[0] == source[-1] and source[0] in "'\"":
        return source[1:-1]
    return source


def _ids(lists: Iterable[str]) -> frozenset[str]:
    return frozenset(each.strip() for part in lists for each in part.split(",")) - {""}
