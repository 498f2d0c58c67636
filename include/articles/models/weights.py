"""The weight of an article by its age."""

from datetime import datetime

import numpy as np
import pandas as pd

from include.articles.settings import DAY_SECONDS


def get_weights(published_at: pd.Series, run_at: datetime, half_life_days: float) -> pd.Series:
    """
    Return the weight of each article by its age: 1 when new, halved after each half-life.

    Args:
        published_at: publication times with zone; the index is kept.
        run_at: the instant that ages refer to, with zone.
        half_life_days: in days, above 0; infinite: no decay.

    Returns:
        `0.5 ** (age / half_life_days)`, 0 to 1; the age is in fractional days, 0 for publication times in the future.
        NaN where the publication time is missing.

    Raises:
        ValueError: the half-life is not above 0.
    """
    if not half_life_days > 0:
        raise ValueError(f"a half-life above 0 days was expected, found {half_life_days}")
    seconds = (pd.Timestamp(run_at) - pd.to_datetime(published_at, utc=True)).dt.total_seconds()
    age_days = (seconds / DAY_SECONDS).clip(lower=0)
    weights = pd.Series(np.power(0.5, age_days / half_life_days), index=published_at.index)
    return weights.rename("weight")
