"""Filters of events, readers and articles. The order of rows does not matter."""

import numpy as np
import pandas as pd

from include.articles.interactions.columns import coded, take, to_micros

NEWSLETTER = "emailnewsletter"


def filter_emailnewsletter(events: pd.DataFrame) -> pd.DataFrame:
    """Drop events whose `landing_page_path` is missing or belongs to a newsletter."""
    codes, paths = coded(events["landing_page_path"])
    return events[take(~np.array([NEWSLETTER in path for path in paths], dtype=bool), codes, missing=False)]


def filter_flyby_users(events: pd.DataFrame, min_articles: int = 2) -> pd.DataFrame:
    """
    Return the events of readers of several articles.

    Args:
        events: one row per event; columns `client_id` and `external_id`.
        min_articles: minimum number of distinct articles a reader has read, 1 or more.
    """
    pairs = _Pairs(events)
    return events[take(pairs.articles_of_readers() >= min_articles, pairs.readers, missing=False)]


def filter_articles(events: pd.DataFrame, min_readers: int = 2, min_articles: int = 2) -> pd.DataFrame:
    """
    Return the events of articles with several readers and of readers of several such articles.

    Both rules are repeated until nothing changes. What remains is the largest set in which each article has
    *min_readers* readers and each reader *min_articles* articles: the core of the graph of readers and articles. It is
    unique and may be empty.

    Args:
        events: one row per event; columns `client_id` and `external_id`.
        min_readers: minimum number of distinct readers of an article, 1 or more.
        min_articles: minimum number of distinct articles a reader has read, 1 or more.
    """
    pairs = _Pairs(events)
    while True:
        readers = pairs.articles_of_readers() >= min_articles
        articles = pairs.readers_of_articles() >= min_readers
        if not pairs.keep(readers, articles):
            stay = take(readers, pairs.readers, missing=False) & take(articles, pairs.articles, missing=False)
            return events[stay]


def filter_activities(
    timed: pd.DataFrame, max_gap_seconds: float = 600, min_reader_seconds: float = 60
) -> pd.DataFrame:
    """
    Return the gaps that count as reading, of readers who read long enough.

    Args:
        timed: one row per gap between two events; columns `client_id` and `duration` in seconds.
        max_gap_seconds: longer gaps are idle time; a gap of exactly this length is kept. Gaps of 0 are dropped.
        min_reader_seconds: readers with a smaller total are dropped; a reader with exactly this is kept.
    """
    timed = timed[(timed["duration"] > 0) & (timed["duration"] <= max_gap_seconds)]
    codes, readers = coded(timed["client_id"])
    micros = np.zeros(len(readers), np.int64)
    np.add.at(micros, codes, to_micros(timed["duration"]))  # integers, so that the order of rows cannot matter
    return timed[micros[codes] >= round(min_reader_seconds * 1e6)]


class _Pairs:
    """The distinct pairs of reader and article; events that lack one of them are in no pair."""

    def __init__(self, events: pd.DataFrame) -> None:
        self.readers, readers = coded(events["client_id"])
        self.articles, articles = coded(events["external_id"])
        self.n_readers, self.n_articles = max(len(readers), 1), max(len(articles), 1)
        known = (self.readers >= 0) & (self.articles >= 0)
        distinct = pd.unique(self.readers[known].astype(np.int64) * self.n_articles + self.articles[known])
        self._pair_readers, self._pair_articles = np.divmod(distinct, self.n_articles)

    def articles_of_readers(self) -> np.ndarray:
        return np.bincount(self._pair_readers, minlength=self.n_readers)

    def readers_of_articles(self) -> np.ndarray:
        return np.bincount(self._pair_articles, minlength=self.n_articles)

    def keep(self, readers: np.ndarray, articles: np.ndarray) -> bool:
        """Drop all pairs but those of these readers and articles; return whether any was dropped."""
        stay = readers[self._pair_readers] & articles[self._pair_articles]
        self._pair_readers, self._pair_articles = self._pair_readers[stay], self._pair_articles[stay]
        return not stay.all()
