"""The report of a preview as JSON."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from include.audience.preview.changes import NO_PANEL, Move
from include.audience.preview.comparison import Comparison, Side
from include.audience.preview.samples import Sampled
from include.audience.preview.spans import span_of
from include.audience.report import coverage_report

CONTEXT_CHARACTERS = 80
"""Length of the text before and after a match that a sample shows."""
CONFIDENCE = 1.96
"""Half the width of a 95 % interval of a normal distribution, in standard deviations."""


def describe(comparison: Comparison, sample: Mapping[int, int] | None = None, total: int = 0) -> dict[str, Any]:
    """
    Return what a comparison has found.

    Args:
        comparison: the comparison.
        sample: number of rows of each window that was drawn; `None` if all posts were read.
        total: rows of all windows.
    """
    posts, (authors, tables) = comparison.posts, comparison.authors()
    names = [*comparison.panels, None]  # the last one is that of `NO_PANEL`
    panels = [
        {
            "panel": panel,
            "posts_before": posts.before[number],
            "posts_after": posts.after[number],
            "posts_gained": posts.moves[NO_PANEL, number],
            "posts_lost": posts.moves[number, NO_PANEL],
            "authors_before": authors.before[number],
            "authors_after": authors.after[number],
            "authors_gained": authors.moves[NO_PANEL, number],
            "authors_lost": authors.moves[number, NO_PANEL],
        }
        for number, panel in enumerate(comparison.panels)
    ]
    moved = [
        {
            "from": names[move[0]],
            "to": names[move[1]],
            "posts": posts.moves[move],
            "authors": authors.moves[move],
        }
        for move in sorted(posts.moves.keys() | authors.moves.keys())
        if NO_PANEL not in move
    ]
    found = {
        "exact": sample is None,
        "received": comparison.received,
        "posts_changed": posts.moves.total(),
        "authors_changed": authors.moves.total(),
        "panels": panels,
        "moved": moved,
        "tables": [_table(comparison.tables.tables[table], *counts) for table, counts in tables.items()],
        **_patterns(comparison),
        "conflicts": _conflicts(comparison),
        "samples": [
            {
                "before": names[move[0]],
                "after": names[move[1]],
                "posts": [_sampled(each, comparison) for each in chosen],
            }
            for move, chosen in comparison.samples
        ],
    }
    if sample is not None:
        estimated = [
            {"from": names[move[0]], "to": names[move[1]], **estimate(_by_window(comparison, move), sample, total)}
            for move in sorted(posts.moves)
        ]
        found["sample"] = {"windows": len(sample), "rows": sum(sample.values()), "of_rows": total, "posts": estimated}
    return found


def estimate(counted: Mapping[int, int], sample: Mapping[int, int], total: int) -> dict[str, int]:
    """
    Estimate a number of posts from whole windows that were drawn at random, by the ratio to their rows.

    The error is that of a ratio estimator (Cochran 1977, section 6.4), without the correction for a large sample.

    Args:
        counted: window → posts that are counted.
        sample: window → rows, of all windows that were drawn.
        total: rows of all windows.

    Returns:
        `posts`, and `low` and `high`, the bounds of an interval of 95 %.
    """
    rows = np.array([*sample.values()], float)
    found = np.array([counted.get(window, 0) for window in sample], float)
    if not rows.sum():
        return {"posts": 0, "low": 0, "high": 0}
    ratio = found.sum() / rows.sum()
    error = math.inf
    if len(rows) > 1:
        residuals = found - ratio * rows
        error = CONFIDENCE * total * math.sqrt((residuals**2).sum() / (len(rows) - 1) / len(rows)) / rows.mean()
    middle = ratio * total
    return {
        "posts": round(middle),
        "low": max(int(found.sum()), math.floor(middle - error)) if error < math.inf else int(found.sum()),
        "high": min(total, math.ceil(middle + error)) if error < math.inf else total,
    }


def _by_window(comparison: Comparison, move: Move) -> dict[int, int]:
    return {window: counts.get(move, 0) for window, counts in comparison.by_window.items()}


def _table(name: str, authors: int, before: int, after: int) -> dict[str, Any]:
    rates = [rows / authors * 100 for rows in (before, after)]
    return {
        "table": name,
        "authors": authors,
        "rows_before": before,
        "rows_after": after,
        "rate_before": round(rates[0], 2),
        "rate_after": round(rates[1], 2),
        "rate_change": round(rates[1] - rates[0], 2),
    }


def _patterns(comparison: Comparison) -> dict[str, Any]:
    after = comparison.after
    counts = {(panel, pattern): found for panel, pattern, found in after.coverage.rows()}
    covered = coverage_report(counts, after.rules, comparison.received)
    described = [{name: each[name] for name in ("panel", "pattern", "match_type")} for each in covered["patterns"]]
    swallowed = [described[one] | {"by": described[other]} for one, other in after.overlap.swallowed()]
    return {"patterns": covered["patterns"], "never_fired": covered["never_fired"], "swallowed": swallowed}


def _conflicts(comparison: Comparison) -> list[dict[str, Any]]:
    before, after = comparison.before.overlap.conflicts, comparison.after.overlap.conflicts
    return [
        {"panels": [f"/{panel}" for panel in pair], "posts_before": before[pair], "posts_after": after[pair]}
        for pair in sorted(before.keys() | after.keys())
    ]


def _sampled(post: Sampled, comparison: Comparison) -> dict[str, Any]:
    sides = (("before", comparison.before), ("after", comparison.after))
    found = [match for name, side in sides for match in _matches(post.text, name, side)]
    begin = max(0, min((each["start"] for each in found), default=0) - CONTEXT_CHARACTERS)
    end = max((each["end"] for each in found), default=0) + CONTEXT_CHARACTERS
    end = min(len(post.text), end, begin + 10 * CONTEXT_CHARACTERS)
    return {
        "id": post.id,
        "s_id": post.s_id,
        "author": post.author[: 2 * CONTEXT_CHARACTERS],
        "text": post.text[begin:end],
        "offset": begin,
        "matches": found,
    }


def _matches(text: str, name: str, side: Side) -> list[dict[str, Any]]:
    """Return the patterns of a side that match a text, with their places in it."""
    found = []
    for index in side.match_one(text):
        pattern = side.rules.patterns[index]
        if span := span_of(pattern, text):
            described = {"panel": f"/{pattern.panel}", "pattern": pattern.text}
            found.append({"rules": name, **described, "start": span[0], "end": span[1]})
    return found
