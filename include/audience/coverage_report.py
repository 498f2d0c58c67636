"""What the rules of a task have done: rows that each panel and each pattern matched, and patterns that never did."""

from typing import Any

from sqlalchemy import Engine, func, select

from include.audience import tables
from include.audience.coverage import ALL, WHOLE, Counts, Key
from include.audience.rules import Rules

NEVER = Counts(0, 0, 0)


def coverage_report(engine: Engine, task_id: str, rules: Rules, received: int) -> dict[str, Any]:
    """
    Sum up the counts of all batches of a task; `include.audience.coverage` says what they mean.

    Args:
        engine: the result schema.
        task_id: a task that was labelled.
        rules: its pinned rules.
        received: rows that it has received.

    Returns:
        `totals` of all rows, `panels` in ascending order, `patterns` in the order of the rules, and `never_fired`,
        those of them that matched no row. `match_type` is `None` for a regular expression.
    """
    found = _sums(engine, task_id)
    whole = found.get((ALL, WHOLE), NEVER)
    totals = {"received": received, "matched": whole.matched, "unmatched": received - whole.matched}
    panels = [{"panel": panel, **_counts(found.get((panel[1:], WHOLE), NEVER))} for panel in rules.panels]
    patterns, never_fired = [], []
    for place, pattern in enumerate(rules.patterns):
        counts = found.get((pattern.panel, place), NEVER)
        types = ",".join(pattern.match_types) or None
        described = {"panel": f"/{pattern.panel}", "pattern": pattern.text, "match_type": types}
        patterns.append(described | _counts(counts))
        if not counts.matched:
            never_fired.append(described)
    return {
        "totals": totals | {"sole": whole.sole, "conflict": whole.conflict},
        "panels": panels,
        "patterns": patterns,
        "never_fired": never_fired,
    }


def _sums(engine: Engine, task_id: str) -> dict[Key, Counts]:
    rows = tables.COVERAGE
    sums = [func.sum(column).label(column.name) for column in (rows.c.matched, rows.c.sole, rows.c.conflict)]
    statement = select(rows.c.panel, rows.c.pattern, *sums).where(rows.c.task_id == task_id)
    with engine.connect() as connection:
        found = connection.execute(statement.group_by(rows.c.panel, rows.c.pattern)).all()
    return {(row.panel, row.pattern): Counts(int(row.matched), int(row.sole), int(row.conflict)) for row in found}


def _counts(counts: Counts) -> dict[str, int]:
    return {"matched": counts.matched, "sole": counts.sole, "conflict": counts.conflict}
