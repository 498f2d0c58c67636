"""Which article an event belongs to."""

import numpy as np
import pandas as pd

from include.articles.interactions.columns import coded
from include.articles.sites.adapters.base import SiteAdapter


def add_external_ids(events: pd.DataFrame, adapter: SiteAdapter) -> pd.DataFrame:
    """
    Add `external_id`, categorical, by the site's rule for `landing_page_path`; drop events on other pages.

    The rule is evaluated once per distinct path.
    """
    codes, paths = coded(events["landing_page_path"])
    found = [adapter.external_id(path) for path in paths]
    ids = sorted({external_id for external_id in found if external_id is not None})
    place = {external_id: number for number, external_id in enumerate(ids)}
    numbers = np.array([-1 if each is None else place[each] for each in found] + [-1], dtype=np.int64)[codes]
    external_ids = pd.Categorical.from_codes(numbers, categories=pd.Index(ids, dtype="str"))
    return events.assign(external_id=external_ids)[numbers >= 0]


def distinct_paths(events: pd.DataFrame) -> pd.DataFrame:
    """Return the distinct pairs of `external_id` and `path` of events, sorted."""
    columns = ["external_id", "landing_page_path"]
    return (
        events[columns]
        .drop_duplicates()
        .astype(str)
        .sort_values(columns, ignore_index=True)
        .rename(columns={"landing_page_path": "path"})
    )


def join_articles(events: pd.DataFrame, articles: pd.DataFrame) -> pd.DataFrame:
    """
    Add `article_id` and `published_at` by `external_id`; drop events of unknown articles.

    Args:
        events: one row per event; column `external_id`.
        articles: one row per article; columns `external_id`, `article_id`, `published_at`.
    """
    codes, external_ids = coded(events["external_id"])
    known = articles.set_index(articles["external_id"].astype(str))
    rows = known.index.get_indexer(pd.Index(external_ids.astype(str)))
    rows = np.append(rows, -1)[codes]
    joined = events[rows >= 0]
    rows = rows[rows >= 0]
    return joined.assign(
        article_id=articles["article_id"].to_numpy()[rows],
        published_at=articles["published_at"].array[rows],
    )
