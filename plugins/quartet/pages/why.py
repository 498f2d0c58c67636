"""What the page of a row shows: the record of how it was made, its sources by kind."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.core.provenance import Record, Source

MAX_SHOWN = 20
"""Sources of a kind that are shown, those with the largest share first."""


@dataclass(frozen=True)
class ShownSource:
    """A source of a row."""

    source: Source
    rows: str
    """Which rows of the data set, in words; empty: all of them."""
    value: str
    width: float
    """Size of its share beside the largest of its kind, 0 to 100."""


@dataclass(frozen=True)
class Group:
    """The sources of one kind."""

    kind: str
    count: int
    sources: list[ShownSource]


def groups(record: Record) -> list[Group]:
    """Return the sources by kind, in the order of the record; within a kind by share, largest first."""
    kinds: dict[str, list[Source]] = {}
    for source in record.sources:
        kinds.setdefault(source.kind, []).append(source)
    return [_group(kind, found) for kind, found in kinds.items()]


def _group(kind: str, found: list[Source]) -> Group:
    ordered = sorted(found, key=lambda source: -abs(source.share or 0))[:MAX_SHOWN]
    largest = abs(ordered[0].share or 0) or 1
    shown = [
        ShownSource(each, selected(each.selector), text_of(each.value), round(100 * abs(each.share or 0) / largest, 1))
        for each in ordered
    ]
    return Group(kind, len(found), shown)


def selected(selector: Mapping[str, Any] | None) -> str:
    """Return a condition of OpenLineage's `subset` facets in words, such as `user = 233 and movie = 346`."""
    if not selector:
        return ""
    if selector["type"] == "location":
        return ", ".join(selector["locations"])
    if selector["type"] == "binary":
        return f"{selected(selector['left'])} {selector['operator'].lower()} {selected(selector['right'])}"
    if selector["type"] == "compare":
        return f"{selector['left']['field']} = {selector['right']['literal']}"
    return json.dumps(selector, ensure_ascii=False)


def text_of(value: Any) -> str:
    """Return a value for people: the fields of an object one by one."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {text_of(each)}" for name, each in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
