"""The charts and tables of an article run, from its report; independent of HTTP."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FUNNEL = (
    ("events read", "fetch_data", "rows"),
    ("in the window", "filter_events", "in_window"),
    ("not from the newsletter", "filter_events", "without_newsletter"),
    ("of article pages", "filter_events", "before", "rows"),
    ("of enough readers and articles", "filter_events", "after", "rows"),
    ("with metadata", "build_interactions", "with_metadata", "rows"),
    ("with a duration", "build_interactions", "timed"),
    ("that are reading", "build_interactions", "read", "rows"),
    ("of enough readers and articles, again", "build_interactions", "after", "rows"),
    ("interactions: reader, article, date", "build_interactions", "interactions"),
)
"""Name of each count of rows, and where a report has it."""


@dataclass(frozen=True)
class Count:
    """A step of the funnel."""

    name: str
    rows: int
    share: float
    """Of the first step, 0 to 1."""


def funnel(steps: Mapping[str, Any]) -> list[Count]:
    """Return how many rows each filter has left; those that the report lacks are left out."""
    found = [(name, rows) for name, *keys in FUNNEL if isinstance(rows := _at(steps, keys), int)]
    first = found[0][1] if found else 0
    return [Count(name, rows, rows / first if first else 0.0) for name, rows in found]


def funnel_chart(counts: Iterable[Count]) -> dict[str, Any]:
    """Return the chart of a funnel."""
    values = [{"step": each.name, "rows": each.rows} for each in counts]
    return {
        "data": {"values": values},
        "mark": "bar",
        "height": 24 * len(values),
        "encoding": {
            "y": {"field": "step", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 220}},
            "x": {"field": "rows", "type": "quantitative"},
        },
    }


def histogram_chart(bins: Iterable[tuple[float, int]] | None, title: str) -> dict[str, Any] | None:
    """Return the chart of a histogram of a report; `None` if it is missing, as in reports of earlier releases."""
    if not bins:
        return None
    pairs = list(bins)
    ends = [f"-{following:g}" for following, _ in pairs[1:]] + ["+"]
    values = [{"bin": f"{bound:g}{end}", "count": count} for (bound, count), end in zip(pairs, ends, strict=True)]
    return {
        "data": {"values": values},
        "mark": "bar",
        "encoding": {
            "x": {"field": "bin", "type": "ordinal", "sort": None, "title": title},
            "y": {"field": "count", "type": "quantitative"},
        },
    }


def _at(steps: Mapping[str, Any], keys: Iterable[str]) -> Any:
    found: Any = steps
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
