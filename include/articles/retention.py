"""What of the articles may go, besides what each run cleans up itself: extracts, and tables of runs that failed."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from include.core.retention import (
    Cleaning,
    Counts,
    Removal,
    Removed,
    Retention,
    RetentionSettings,
    Rule,
    Sweeper,
    days_kept,
)
from include.core.storage import StoragePath, walk_objects

RUNS_KEPT = 3
"""Folders of a site's newest runs that stay in any case."""
_EXTRACT = re.compile(r"([^/]+)/extracts/([0-9]{4}-[0-9]{2}-[0-9]{2})/[0-9a-f]{32}-[0-9a-z-]+\.(?:parquet|txt)")
_RUN = re.compile(r"([^/]+)/runs/([0-9]{8}T[0-9]{6}Z-[0-9a-f]{8})/.+")


def clean_extracts(
    folder: StoragePath, sweeper: Sweeper, now: float, before: float, days: Callable[[str], float]
) -> Removed:
    """
    Remove extracts of events that no run reads any more; one that is wanted all the same is made again.

    Args:
        folder: of the workflow.
        sweeper: of the storage.
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
    return sweeper.sweep(folder, old, "extracts")


def clean_runs(folder: StoragePath, sweeper: Sweeper, before: float) -> Removed:
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
    return sweeper.sweep(folder, old, f"files of {len(doomed)} runs")


def _date(text: str, otherwise: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:  # no such day
        return otherwise


class ArticleRetention(RetentionSettings):
    """How long what the articles workflow leaves behind is kept."""

    extracts_days: float = days_kept(60, "extracts of article events, beyond the dates that a run reads,")
    article_runs_days: float = days_kept(30, "tables of article runs that failed, or whose newsroom is gone,")


def clean_articles(cleaning: Cleaning) -> Counts:
    """Remove extracts that no run reads, and what runs have left that did not come to their own cleaning."""
    from include.articles import parameters
    from include.articles.settings import ArticleSettings
    from include.articles.sites.configuration import load_sites

    settings, root = ArticleRetention.load(), cleaning.store.path
    sites = load_sites(ArticleSettings.load())
    variable = cleaning.variable(parameters.VARIABLE)

    def days(site: str) -> float:
        own = sites[site].parameters if site in sites else {}
        return max(settings.extracts_days, parameters.resolve(own, variable).days_of_data)

    if before := cleaning.before(settings, "extracts_days"):
        clean_extracts(root, cleaning.sweeper, cleaning.now, before, days)
    if before := cleaning.before(settings, "article_runs_days"):
        clean_runs(root, cleaning.sweeper, before)
    return cleaning.sweeper.removed.as_json()


RETENTION = Retention(
    ArticleRetention,
    (
        Rule(
            "clean_articles",
            clean_articles,
            (
                Removal("extracts of events", "60, `EXTRACTS_DAYS`", "dates that a run reads"),
                Removal(
                    "tables of failed or orphaned runs", "30, `ARTICLE_RUNS_DAYS`", f"the newest {RUNS_KEPT} of a site"
                ),
            ),
        ),
    ),
)
