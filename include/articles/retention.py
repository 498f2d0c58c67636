"""Retention of articles: housekeeping removes extracts that no run reads, and files of failed or orphaned runs."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from math import inf

from include.articles import layout
from include.core.errors import BadDataError
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

log = logging.getLogger(__name__)

RUNS_KEPT = 3
"""Number of a site's newest runs whose files are always kept."""


class ArticleRetention(RetentionSettings):
    """Retention settings of the articles workflow."""

    extracts_days: float = days_kept(60, "extracts of article events from before the dates that a run reads")
    article_runs_days: float = days_kept(30, "tables of article runs that failed or whose site is gone")


def clean_extracts(
    folder: StoragePath, sweeper: Sweeper, now: float, before: float, days: Callable[[str], float]
) -> Removed:
    """
    Remove extracts of dates that no run reads; one that is needed again is made again.

    Args:
        folder: the workflow's folder.
        sweeper: removes objects from the storage.
        now: seconds since 1970.
        before: only extracts older than this are removed, so that a backfill keeps those it has just made.
        days: returns for how many days before today the extracts of a site are kept; infinity: for ever.
    """
    today = datetime.fromtimestamp(now, UTC).date()
    old = {
        name: stored
        for name, stored in walk_objects(folder).items()
        if (extract := layout.site_and_date_of_extract(name))
        and stored.changed < before
        and (kept := days(extract[0])) != inf
        and extract[1] < today - timedelta(days=kept)
    }
    return sweeper.sweep(folder, old, "extracts")


def clean_runs(folder: StoragePath, sweeper: Sweeper, before: float) -> Removed:
    """Remove the files of runs in which nothing has changed since *before*; a site's newest runs are kept."""
    listed = walk_objects(folder)
    runs: dict[str, dict[str, float]] = {}
    owner = {name: found for name in listed if (found := layout.site_and_run_of_file(name))}
    for name, (site, run) in owner.items():
        changed = runs.setdefault(site, {})
        changed[run] = max(changed.get(run, 0), listed[name].changed)
    old_runs = {(site, run) for site, changed in runs.items() for run in _old(changed, RUNS_KEPT, before)}
    old = {name: listed[name] for name, run in owner.items() if run in old_runs}
    return sweeper.sweep(folder, old, f"files of {len(old_runs)} runs")


def remove_old_runs(folder: StoragePath, keep: int, before: float) -> int:
    """
    Remove the folders of old runs of a site, at the end of each run.

    Args:
        folder: contains the folders of the runs.
        keep: number of the most recently changed folders to keep.
        before: folders in which something has changed since are kept, too; in seconds since 1970.

    Returns:
        The number of removed folders.
    """
    changed: dict[str, float] = {}
    found = walk_objects(folder)
    for name, stored in found.items():
        run = name.partition("/")[0]
        changed[run] = max(changed.get(run, 0), stored.changed)
    old = _old(changed, keep, before)
    for name in found:
        if name.partition("/")[0] in old:
            (folder / name).unlink(missing_ok=True)
    return len(old)


def _old(changed: Mapping[str, float], keep: int, before: float) -> set[str]:
    """Return the runs that last changed before an instant, without the newest ones."""
    return {run for run in sorted(changed, key=lambda run: changed[run], reverse=True)[keep:] if changed[run] < before}


def clean_articles(cleaning: Cleaning) -> Counts:
    """Remove extracts that no run reads, and files of runs that did not get to clean up."""
    settings, root = ArticleRetention.load(), cleaning.store.path
    if before := cleaning.before(settings, "extracts_days"):
        clean_extracts(root, cleaning.sweeper, cleaning.now, before, _days_of_extracts(cleaning, settings))
    if before := cleaning.before(settings, "article_runs_days"):
        clean_runs(root, cleaning.sweeper, before)
    return cleaning.sweeper.removed.as_json()


def _days_of_extracts(cleaning: Cleaning, settings: ArticleRetention) -> Callable[[str], float]:
    """Return a function from a site to the days of extracts it keeps: all, if what its runs read is unknown."""
    from include.articles import parameters
    from include.articles.settings import ArticleSettings
    from include.articles.sites.configuration import load_sites

    try:
        sites = load_sites(ArticleSettings.load())
        variable = parameters.of_variable(cleaning.variable(parameters.VARIABLE))
    except BadDataError as error:
        log.warning("All extracts are kept, because it is not known which ones runs read: %s", error)
        return lambda site: inf
    for site, error in sites.errors.items():
        log.warning("All extracts of %s are kept, because it is not known which ones runs read: %s", site, error)

    def days(site: str) -> float:
        if site in sites.errors:
            return inf
        own = sites[site].parameters if site in sites else {}
        return max(settings.extracts_days, parameters.resolve(own, variable).days_of_data)

    return days


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
