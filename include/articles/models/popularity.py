"""The defaults: articles that hold their readers, recommended where an article has no list of its own."""

import numpy as np
import pandas as pd
from scipy.special import stdtrit


def calculate_defaults(
    interactions: pd.DataFrame, window_interactions: int = 5000, confidence: float = 0.95
) -> pd.DataFrame:
    """
    Estimate the statistically significant dwell per pageview of each article.

    A pageview is one reader on one article within the latest interactions. The estimate is the lower bound of the
    one-sided confidence interval of Student's t-distribution, `lcb = mean - t(confidence, n - 1) * sd / sqrt(n)`.

    Args:
        interactions: one row per reader, article and date; columns `client_id`, `external_id`, `dwell_seconds` and
            `last_activity_time`.
        window_interactions: number of interactions used, those with the latest `last_activity_time`; ties are broken by
            reader, then article, as text.
        confidence: one-sided level, above 0 and below 1.

    Returns:
        One row per article in the window, ordered by `external_id`: `n` pageviews, `mean` and `sd` of their dwell in
        seconds (`sd` and `lcb` are NaN for n = 1), and `basis`, on which the rank depends: `lcb` where it is above 0,
        else NaN. If no article has such an `lcb`, `basis` is `mean` for all.
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
    Rank the articles by dwell and age.

    Args:
        defaults: the result of `calculate_defaults`.
        weights: 0 to 1, indexed by `external_id`; an article without a weight, or with NaN, is not a candidate.
        max_recs: maximum number of rows of the result.

    Returns:
        Columns `target` (external id), `rank` from 1, and `score`: `basis * weight` divided by the largest such value,
        rounded to 6 places. Ties are ordered by external id.
    """
    raw = defaults.set_index("external_id")["basis"] * weights.reindex(defaults["external_id"])
    raw = raw.dropna()
    raw = raw.sort_index().sort_values(ascending=False, kind="stable")[:max_recs]
    largest = raw.iloc[0] if len(raw) else 0
    score = (raw / largest).round(6) if largest > 0 else raw * 0
    return pd.DataFrame(
        {"target": raw.index.astype(str), "rank": np.arange(1, len(raw) + 1), "score": score.to_numpy(float)}
    )
