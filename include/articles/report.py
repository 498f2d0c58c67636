"""What a run did, in numbers: for its report, its page in MLflow, its note."""

from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from include.articles.filters import coded
from include.articles.settings import DAY_SECONDS

TOP = 10
"""So many first places of two lists are compared."""


def size(rows: pd.DataFrame) -> dict[str, int]:
    """Count the rows of a table with `client_id` and `external_id`, their readers, articles, and pairs of both."""
    readers, _ = coded(rows["client_id"])
    articles, known = coded(rows["external_id"])
    pairs = pd.unique(readers.astype(np.int64) * max(len(known), 1) + articles)
    return {
        "rows": len(rows),
        "readers": len(pd.unique(readers)),
        "articles": len(pd.unique(articles)),
        "pairs": len(pairs),
    }


def describe_lists(lists: pd.DataFrame, ages_days: pd.Series) -> dict[str, float]:
    """
    Describe recommendation lists.

    Args:
        lists: columns `source`, `target` and `score`.
        ages_days: age of each article in days, indexed by external id.

    Returns:
        Number of sources, of rows and of distinct targets, median age of the targets in days, share of scores of 0.
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
    """Give the age of each article in days, 0 for one of the future, indexed by external id."""
    seconds = (pd.Timestamp(run_at) - articles["published_at"]).dt.total_seconds()
    return pd.Series((seconds / DAY_SECONDS).clip(lower=0).to_numpy(), index=articles["external_id"].astype(str))


def overlap(lists: pd.DataFrame, before: pd.DataFrame) -> float | None:
    """
    Give the mean share of each source's first places (at most 10) that its earlier list has in its first places, too.

    Args:
        lists: columns `source`, `rank` and `target`.
        before: the same of the earlier model.

    Returns:
        0 to 1, over the sources that both have; `None` when there are none.
    """
    now, then = (each.loc[each["rank"] <= TOP, ["source", "target"]].astype(str) for each in (lists, before))
    now = now[now["source"].isin(then["source"])]
    if now.empty:
        return None
    both = now.merge(then, on=["source", "target"]).groupby("source").size()
    share = both.reindex(now["source"].unique(), fill_value=0) / now.groupby("source", sort=False).size()
    return round(float(share.mean()), 6)


def versions() -> dict[str, str]:
    """Give the releases of the libraries that the numbers depend on."""
    return {name: version(name) for name in ("implicit", "msgspec", "numpy", "pandas", "scipy")}


def summary(found: Mapping[str, Any]) -> str:
    """Say in a few words what a run did, from its report."""
    steps = found["steps"]
    fetched, pages = steps["fetch_data"], steps["scrape_metadata"]
    parts = [
        f"{fetched['rows']:,} events of {fetched['files']:,} objects, {fetched['new_files']:,} of them new",
        f"{pages['creates']:,} articles new, {pages['updates']:,} refreshed, {sum(pages['errors'].values()):,} errors",
    ]
    if "train_model" in steps:
        parts.append(f"{steps['train_model']['readers']:,} readers x {steps['train_model']['articles']:,} articles")
    for step, name in (("save_defaults", "defaults"), ("save_predictions", "related articles")):
        if made := steps.get(step):
            parts.append(f"{name}: model {made['model_id']} is {made['status']}, {made['recommendations']:,} rows")
    return "; ".join(parts)


def flat(numbers: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Give all numbers of nested objects under names joined by dots."""
    found: dict[str, float] = {}
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{name}"] = value
    return found
