"""Bound on the lists in an answer."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import Field

T = TypeVar("T")

MAX_LISTED = 1_000
"""Maximum length of a list that has no limit of its own."""

Limit = Annotated[int, Query(ge=1, le=MAX_LISTED, description="maximum number")]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000, description="number to pass over, to read on")]
More = Annotated[int | None, Field(description="number of further ones; it is there only if there are any")]


def part(items: Sequence[T], limit: int = MAX_LISTED, offset: int = 0) -> tuple[list[T], int | None]:
    """Return at most *limit* items after the first *offset*, and the number of those after them; `None`: none."""
    return list(items[offset : offset + limit]), max(len(items) - offset - limit, 0) or None


def bound_lists(answer: dict[str, Any], paths: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """
    Shorten lists of an answer to the maximum length, and tell of each how many items are left out.

    Args:
        answer: objects with lists; it is changed.
        paths: object and name of each list. *more* has both, joined by a dot, if the list is shortened.
    """
    more = {}
    for outer, inner in paths:
        answer[outer][inner], left = part(answer[outer][inner])
        if left:
            more[f"{outer}.{inner}"] = left
    return answer | ({"more": more} if more else {})
