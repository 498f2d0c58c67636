"""Dwell: from events to interactions."""

import numpy as np
import pandas as pd

from include.articles.events.records import EVENT_ACTION, EVENT_CATEGORY
from include.articles.interactions.columns import coded, in_text_order, to_micros

INTERACTION = ["client_id", "external_id", "session_date"]
"""Key of an interaction: one reader, one article, one UTC date."""


def fix_dtypes(events: pd.DataFrame) -> pd.DataFrame:
    """
    Return the events with typed columns: `event_category` and `event_action` without missing values, `session_date` a
    timestamp without zone, `activity_time` a timestamp in UTC. Idempotent.
    """
    return events.assign(
        event_category=_filled(events["event_category"], EVENT_CATEGORY),
        event_action=_filled(events["event_action"], EVENT_ACTION),
        session_date=pd.to_datetime(events["session_date"], format="ISO8601"),
        activity_time=pd.to_datetime(events["activity_time"], utc=True, format="ISO8601"),
    )


def _filled(column: pd.Series, value: str) -> pd.Series:
    column = column.astype("category")
    if value not in column.cat.categories:
        column = column.cat.add_categories([value])
    return column.fillna(value)


def time_activities(events: pd.DataFrame) -> pd.DataFrame:
    """
    Measure the gaps between successive events of one reader on one path.

    Visits to other pages in between do not matter; a gap belongs to the time, date and path of its first event.

    Args:
        events: one row per event; columns `client_id`, `landing_page_path` and `activity_time`, others are kept.

    Returns:
        The events that are followed by another on the same path, with `duration`, the seconds until it, 0 or more;
        ordered by reader, path and time.
    """
    readers, _ = coded(events["client_id"])
    paths, _ = coded(events["landing_page_path"])
    micros = micros_of(events["activity_time"])
    order = np.lexsort((micros, paths, readers))
    readers, paths, micros = readers[order], paths[order], micros[order]
    followed = np.flatnonzero((readers[1:] == readers[:-1]) & (paths[1:] == paths[:-1]))
    return events.iloc[order[followed]].assign(duration=(micros[followed + 1] - micros[followed]) / 1e6)


def micros_of(instants: pd.Series) -> np.ndarray:
    """Return instants as microseconds since 1970."""
    return instants.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)


def build_interactions(timed: pd.DataFrame) -> pd.DataFrame:
    """
    Sum the dwell of each reader on each article on each date.

    Args:
        timed: one row per gap; columns `client_id`, `external_id`, `session_date`, `activity_time`, `duration`, and
            `article_id` and `published_at`, which depend on the article only.

    Returns:
        One row per interaction, ordered by reader, article (both as text) and date: the columns above without
        `duration` and `activity_time`, with `dwell_seconds` (sum) and `last_activity_time` (the latest of the gaps'
        first events).
    """
    keyed = timed.assign(micros=to_micros(timed["duration"]))
    for column in ("client_id", "external_id"):
        keyed[column] = in_text_order(keyed[column])
    constant = [name for name in ("article_id", "published_at") if name in timed]
    grouped = keyed.groupby(INTERACTION, observed=True, sort=True)
    interactions = grouped.agg(
        dwell_seconds=("micros", "sum"),
        last_activity_time=("activity_time", "max"),
        **{name: (name, "first") for name in constant},
    ).reset_index()
    interactions["dwell_seconds"] = interactions["dwell_seconds"] / 1e6
    return interactions
