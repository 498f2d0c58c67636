"""The defaults: articles that hold their readers, for all who come from nowhere in particular."""

import numpy as np
import pandas as pd
from scipy.special import stdtrit


def calculate_defaults(
    interactions: pd.DataFrame, window_interactions: int = 5000, confidence: float = 0.95
) -> pd.DataFrame:
    """
    Find how long a reader surely stays with each article.

    A pageview is one reader on one article, within the latest interactions. Its dwell is at least
    `lcb = mean - t(confidence, n - 1) * sd / sqrt(n)`, the lower bound of the one-sided confidence interval of
    Student's t-distribution.

    Args:
        interactions: one row a reader, article and date; columns `client_id`, `external_id`, `dwell_seconds` and
            `last_activity_time`.
        window_interactions: so many with the latest `last_activity_time` count; of equally late ones those of the
            first reader, then article, by text.
        confidence: one-sided level, above 0 and below 1.

    Returns:
        One row an article in the window, ordered by `external_id`: `n` pageviews, `mean` and `sd` of their dwell in
        seconds (`sd` and `lcb` NaN for n = 1), and `basis`, what its rank depends on: `lcb` where it is above 0, NaN
        where not. If that is nowhere, it is `mean` everywhere.
    """
    latest = interactions.astype({"client_id": "str", "external_id": "str"}).sort_values(
        ["last_activity_time", "client_id", "external_id"], ascending=[False, True, True]
    )[:window_interactions]
    pageviews = latest.groupby(["external_id", "client_id"], sort=True)["dwell_seconds"].sum()
    dwell = pageviews.groupby("external_id", sort=True)
    found = pd.DataFrame({"n": dwell.size(), "mean": dwell.mean(), "sd": dwell.std(ddof=1)}).reset_index()
    with np.errstate(invalid="ignore"):
        t = stdtrit(found["n"] - 1, confidence)  # NaN for n = 1
    found["lcb"] = found["mean"] - t * found["sd"] / np.sqrt(found["n"])
    found["basis"] = found["lcb"].where(found["lcb"] > 0)
    if found["basis"].isna().all():
        found["basis"] = found["mean"]
    return found


def rank_defaults(defaults: pd.DataFrame, weights: pd.Series, max_recs: int) -> pd.DataFrame:
    """
    Order the articles by dwell and age.

    Args:
        defaults: as `calculate_defaults` gives them.
        weights: 0 to 1, indexed by `external_id`; an article without one, or with NaN, is no candidate.
        max_recs: most rows of the result.

    Returns:
        Columns `target` (external id), `rank` from 1, `score`: `basis * weight` as a share of the largest, rounded to
        6 places; of equal ones the first by text comes first.
    """
    raw = defaults.set_index("external_id")["basis"] * weights.reindex(defaults["external_id"])
    raw = raw.dropna()
    raw = raw.sort_index().sort_values(ascending=False, kind="stable")[:max_recs]
    largest = raw.iloc[0] if len(raw) else 0
    score = (raw / largest).round(6) if largest > 0 else raw * 0
    return pd.DataFrame(
        {"target": raw.index.astype(str), "rank": np.arange(1, len(raw) + 1), "score": score.to_numpy(float)}
    )
