"""What a run reports: the counts of the label stage, the coverage of the rules, metrics, the note of the DAG run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include.audience.labeling.coverage import ALL, WHOLE, Counts, Key
from include.audience.rules.ruleset import Rules

NEVER = Counts(0, 0, 0)


@dataclass(frozen=True)
class LabelingReport:
    """Report of the label stage."""

    received: int
    """Posts with author, source and text."""
    written: int
    """Labelled rows of all tables."""
    result: list[str]
    """Names of the tables with labelled rows."""
    authors: list[int]
    """Distinct authors, aligned with `result`."""
    minutes: float
    """From the start of the first batch to the end of the last."""
    warning: str = ""
    """What was odd about the source; empty if nothing was."""

    @property
    def metrics(self) -> dict[str, float]:
        """Last parts of the names of its metrics → values."""
        return {"posts": self.received, "labelled_rows": self.written, "label_minutes": self.minutes}


def author_coverage(produced: Mapping[str, int], authors: Sequence[int]) -> dict[str, float]:
    """
    Return the share of authors in a panel, 0 to 1, for each result table.

    Args:
        produced: table name → rows of the result table.
        authors: distinct authors of each of these tables, in the same order.
    """
    return {name: rows / count for (name, rows), count in zip(produced.items(), authors, strict=True) if count}


def note(task_id: str, produced: Mapping[str, int], warning: str = "") -> str:
    """Return the note of a finished run."""
    return f"task {task_id}: {sum(produced.values())} authors in panels{warning and f'; {warning}'}"


def coverage_report(counts: Mapping[Key, Counts], rules: Rules, received: int) -> dict[str, Any]:
    """
    Return what the rules of a task have matched.

    Args:
        counts: counts of the task; see `labeling/coverage.py`.
        rules: its pinned rules.
        received: posts of the task.

    Returns:
        `totals` of all posts, `panels` in ascending order, `patterns` in the order of the rules, and `never_fired`, the
        patterns that matched no post. `match_type` is `None` for a regular expression.
    """
    whole = counts.get((ALL, WHOLE), NEVER)
    totals = {"received": received, "matched": whole.matched, "unmatched": received - whole.matched}
    panels = [{"panel": panel, **_as_json(counts.get((panel[1:], WHOLE), NEVER))} for panel in rules.panels]
    patterns, never_fired = [], []
    for index, pattern in enumerate(rules.patterns):
        found = counts.get((pattern.panel, index), NEVER)
        types = ",".join(pattern.match_types) or None
        described = {"panel": f"/{pattern.panel}", "pattern": pattern.text, "match_type": types}
        patterns.append(described | _as_json(found))
        if not found.matched:
            never_fired.append(described)
    return {
        "totals": totals | {"sole": whole.sole, "conflict": whole.conflict},
        "panels": panels,
        "patterns": patterns,
        "never_fired": never_fired,
    }


def _as_json(counts: Counts) -> dict[str, int]:
    return {"matched": counts.matched, "sole": counts.sole, "conflict": counts.conflict}
