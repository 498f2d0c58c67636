"""The report of a run: what each step counted, for `run.json`, the MLflow run and the note of the DAG run."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from include.articles import retention
from include.articles.interactions.columns import coded
from include.articles.layout import RunFiles
from include.articles.plan import Plan
from include.articles.settings import DAY_SECONDS
from include.core.storage import StoragePath, read_bytes, write_whole

log = logging.getLogger(__name__)

TOP = 10
"""Number of first ranks compared between two lists."""
USUAL_LAG_HOURS = 6
"""A larger lag of the events is part of the note of a run."""
PROGRESS_SECONDS = 5
ARTEFACT_RUNS = 14
"""Number of runs whose artefacts are kept."""
STEPS = (
    "fetch_data",
    "filter_events",
    "scrape_metadata",
    "build_interactions",
    "save_defaults",
    "train_model",
    "save_predictions",
)
"""The steps that a report describes."""
Counts = dict[str, Any]
GAP_SECONDS = (0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
AGE_DAYS = (0, 1, 2, 3, 5, 7, 14, 30, 60, 90, 180, 365)
"""Lower bounds of the bins of the histograms in a report; the last bin has no end."""


def build(plan: Plan, steps: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report of a run: its plan, the versions of libraries, and the counts of its steps, by name."""
    return {**plan.as_json(), "versions": versions(), "steps": dict(steps)}


def size(rows: pd.DataFrame) -> dict[str, int]:
    """Count rows, readers, articles, and pairs of both, of a table with `client_id` and `external_id`."""
    readers, _ = coded(rows["client_id"])
    articles, external_ids = coded(rows["external_id"])
    pairs = pd.unique(readers.astype(np.int64) * max(len(external_ids), 1) + articles)
    return {
        "rows": len(rows),
        "readers": len(pd.unique(readers)),
        "articles": len(pd.unique(articles)),
        "pairs": len(pairs),
    }


def lag_hours(events: pd.DataFrame, run_at: datetime) -> float:
    """Return the hours from the newest event to the instant of the run."""
    return round((pd.Timestamp(run_at) - events["activity_time"].max()).total_seconds() / 3600, 3)


def histogram(values: Any, bounds: Sequence[float]) -> list[list[float]]:
    """
    Count values by bin.

    Args:
        values: numbers; those below the first bound, and NaN, are not counted.
        bounds: lower bounds of the bins, ascending.

    Returns:
        A pair of lower bound and number of values for each bin.
    """
    counts, _ = np.histogram(np.asarray(values, float), [*bounds, np.inf])
    return [[bound, int(count)] for bound, count in zip(bounds, counts, strict=True)]


def describe_lists(lists: pd.DataFrame, ages_days: pd.Series) -> Counts:
    """
    Describe recommendation lists.

    Args:
        lists: columns `source`, `target` and `score`.
        ages_days: age of each article in days, indexed by external id.

    Returns:
        Numbers of sources, rows and distinct targets, median age of the targets in days, share of scores of 0.
    """
    ages = ages_days.reindex(lists["target"])
    return {
        "sources": int(lists["source"].nunique()),
        "recommendations": len(lists),
        "distinct_targets": int(lists["target"].nunique()),
        "median_target_age_days": round(float(ages.median()), 3) if len(lists) else 0.0,
        "zero_score_share": round(float((lists["score"] == 0).mean()), 6) if len(lists) else 0.0,
    }


def ages_days(articles: pd.DataFrame, run_at: datetime) -> pd.Series:
    """Return the age of each article in days, 0 for publication times in the future, indexed by external id."""
    seconds = (pd.Timestamp(run_at) - articles["published_at"]).dt.total_seconds()
    return pd.Series((seconds / DAY_SECONDS).clip(lower=0).to_numpy(), index=articles["external_id"].astype(str))


def overlap(lists: pd.DataFrame, before: pd.DataFrame) -> float | None:
    """
    Return the mean share of a source's first `TOP` targets that were among the first of its earlier list, too.

    Args:
        lists: columns `source`, `rank` and `target`.
        before: the same of the earlier model.

    Returns:
        0 to 1, over the sources that both have; `None` if there are none.
    """
    now, then = (each.loc[each["rank"] <= TOP, ["source", "target"]].astype(str) for each in (lists, before))
    now = now[now["source"].isin(then["source"])]
    if now.empty:
        return None
    both = now.merge(then, on=["source", "target"]).groupby("source").size()
    share = both.reindex(now["source"].unique(), fill_value=0) / now.groupby("source", sort=False).size()
    return round(float(share.mean()), 6)


def versions() -> dict[str, str]:
    """Return the versions of the libraries on which the results depend."""
    return {name: version(name) for name in ("implicit", "msgspec", "numpy", "pandas", "scipy")}


def summary(report: Mapping[str, Any]) -> str:
    """Return the text of the DAG run's note."""
    steps = report["steps"]
    fetched, scraped = steps["fetch_data"], steps["scrape_metadata"]
    parts = [
        f"{fetched['rows']:,} events of {fetched['files']:,} objects, {fetched['new_files']:,} of them new",
        f"{scraped['creates']:,} articles new, {scraped['updates']:,} refreshed, "
        f"{sum(scraped['errors'].values()):,} errors",
    ]
    parts += _warnings(fetched, steps.get("filter_events", {}))
    if "train_model" in steps:
        parts.append(f"{steps['train_model']['readers']:,} readers x {steps['train_model']['articles']:,} articles")
    for step, name in (("save_defaults", "defaults"), ("save_predictions", "related articles")):
        if saved := steps.get(step):
            parts.append(f"{name}: model {saved['model_id']} is {saved['status']}, {saved['recommendations']:,} rows")
    return "; ".join(parts)


def _warnings(fetched: Counts, filtered: Counts) -> Iterator[str]:
    """Yield what may be wrong with the events of a run."""
    if bad := fetched.get("bad_files"):
        archived = fetched.get("archived_files")
        yield f"{bad:,} objects unreadable{f', {archived:,} of them archived' if archived else ''}"
    if bad := fetched.get("bad_lines"):
        yield f"{bad:,} of {fetched['lines']:,} lines unreadable"
    if foreign := fetched.get("foreign"):
        yield f"{foreign:,} events of other hosts left out"
    if ignored := fetched.get("ignored_files"):
        yield f"{ignored:,} objects ignored, whose names do not end in .gz"
    if (lag := filtered.get("lag_hours", 0)) > USUAL_LAG_HOURS:
        yield f"the newest event is {lag:,.1f} h older than the run"


def keep_artefacts(files: RunFiles, folder: StoragePath) -> None:
    """Copy the report and the tables of a run below *folder*, which keeps those of the newest runs."""
    for path in files.artefacts:
        with suppress(FileNotFoundError):
            write_whole(folder / files.folder.name / path.name, read_bytes(path))
    retention.remove_old_runs(folder, ARTEFACT_RUNS, math.inf)


def flat(numbers: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return all numbers of nested objects under names joined by dots."""
    found: dict[str, float] = {}
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{name}"] = value
    return found


def progress_logger(what: str) -> Callable[..., None]:
    """Return a function that logs progress, at most every `PROGRESS_SECONDS` and at the end."""
    last = time.monotonic()

    def log_progress(done: int, total: int | None = None) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            log.info("%d%s %s", done, f" of {total}" if total else "", what)

    return log_progress
