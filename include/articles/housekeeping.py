"""What of the articles may go, besides what each run cleans up itself: extracts, and tables of runs that failed."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from include.core.housekeeping import Broom, Removed
from include.core.objects import StoragePath, walk_objects

RUNS_KEPT = 3
"""Folders of a site's newest runs that stay in any case."""
_EXTRACT = re.compile(r"([^/]+)/extracts/([0-9]{4}-[0-9]{2}-[0-9]{2})/[0-9a-f]{32}-[0-9a-z-]+\.(?:parquet|txt)")
_RUN = re.compile(r"([^/]+)/runs/([0-9]{8}T[0-9]{6}Z-[0-9a-f]{8})/.+")


def clean_extracts(
    folder: StoragePath, broom: Broom, now: float, before: float, days: Callable[[str], float]
) -> Removed:
    """
    Remove extracts of events that no run reads any more; one that is wanted all the same is made again.

    Args:
        folder: of the workflow.
        broom: of the storage.
        now: seconds since 1970.
        before: only extracts that were made before go, so that a backfill keeps what it has just made.
        days: gives of how many days before today those of a site are kept.
    """
    today = datetime.fromtimestamp(now, UTC).date()
    listed = walk_objects(folder)
    old = {
        name: stored
        for name, stored in listed.items()
        if (match := _EXTRACT.fullmatch(name))
        and stored.changed < before
        and _date(match[2], today) < today - timedelta(days=days(match[1]))
    }
    return broom.sweep(folder, old, "extracts")


def clean_runs(folder: StoragePath, broom: Broom, before: float) -> Removed:
    """Remove the tables of runs in which nothing has changed since *before*; a site's newest runs stay."""
    listed = walk_objects(folder)
    runs: dict[str, dict[str, float]] = {}
    owner = {name: (match[1], match[2]) for name in listed if (match := _RUN.fullmatch(name))}
    for name, (site, run) in owner.items():
        changed = runs.setdefault(site, {})
        changed[run] = max(changed.get(run, 0), listed[name].changed)
    doomed = {
        (site, run)
        for site, changed in runs.items()
        for run in sorted(changed, key=lambda run: changed[run], reverse=True)[RUNS_KEPT:]
        if changed[run] < before
    }
    old = {name: listed[name] for name, run in owner.items() if run in doomed}
    return broom.sweep(folder, old, f"files of {len(doomed)} runs")


def _date(text: str, otherwise: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:  # no such day
        return otherwise
