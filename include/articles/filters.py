"""Which events, readers and articles count. Tables of events as `events.py` makes them; the order of rows is free."""

import numpy as np
import pandas as pd

NEWSLETTER = "emailnewsletter"


def filter_emailnewsletter(events: pd.DataFrame) -> pd.DataFrame:
    """Drop the events whose `landing_page_path` is missing or belongs to a newsletter."""
    codes, paths = coded(events["landing_page_path"])
    return events[take(~np.array([NEWSLETTER in path for path in paths], dtype=bool), codes, missing=False)]


def filter_flyby_users(events: pd.DataFrame, min_articles: int = 2) -> pd.DataFrame:
    """
    Keep the events of readers of several articles.

    Args:
        events: one row an event; columns `client_id` and `external_id`.
        min_articles: distinct articles that a reader has to have read, 1 or more.
    """
    pairs = _Pairs(events)
    return events[take(pairs.articles_of_readers() >= min_articles, pairs.readers, missing=False)]


def filter_articles(events: pd.DataFrame, min_readers: int = 2, min_articles: int = 2) -> pd.DataFrame:
    """
    Keep the events of articles with several readers, and of readers of several such articles.

    Both are repeated until nothing changes: what stays is the one largest set in which each article has
    *min_readers* readers and each reader *min_articles* articles (the core of the graph of readers and articles). It
    may be empty.

    Args:
        events: one row an event; columns `client_id` and `external_id`.
        min_readers: distinct readers that an article has to have, 1 or more.
        min_articles: distinct articles that a reader has to have read, 1 or more.
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
    Keep the gaps that are reading, then the readers who read long enough.

    Args:
        timed: one row a gap between two events; columns `client_id` and `duration` in seconds.
        max_gap_seconds: longer gaps are idle time; one of exactly this length is reading. Gaps of 0 are nothing.
        min_reader_seconds: readers with less in all are dropped; one with exactly this stays.
    """
    timed = timed[(timed["duration"] > 0) & (timed["duration"] <= max_gap_seconds)]
    codes, readers = coded(timed["client_id"])
    micros = np.zeros(len(readers), np.int64)
    np.add.at(micros, codes, to_micros(timed["duration"]))  # whole numbers: the order of rows cannot matter
    return timed[micros[codes] >= round(min_reader_seconds * 1e6)]


def to_micros(seconds: pd.Series) -> np.ndarray:
    """Give seconds as whole microseconds."""
    return np.rint(seconds.to_numpy(float) * 1e6).astype(np.int64)


def coded(column: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Give a column as numbers and the distinct values that they stand for; -1 is a missing value."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), column.cat.categories
    codes, values = pd.factorize(column)
    return codes, pd.Index(values)


def take(values: np.ndarray, codes: np.ndarray, missing: object) -> np.ndarray:
    """Give the value that each number stands for, *missing* for -1."""
    return np.append(values, np.array([missing], values.dtype))[codes]


def in_text_order(column: pd.Series) -> pd.Series:
    """Make a column of text categorical, with its values, and only those, in the order of their code points."""
    codes, values = coded(column)
    used = np.unique(codes)
    texts = np.array([str(values[code]) for code in used], dtype=object)
    order = np.argsort(texts, kind="stable")
    place = np.empty(len(values), np.int64)
    place[used[order]] = np.arange(len(used))
    return pd.Series(pd.Categorical.from_codes(place[codes], pd.Index(texts[order])), index=column.index)


class _Pairs:
    """The distinct pairs of a reader and an article; events without one of both are in none."""

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
        """Keep the pairs of these readers and articles; tell whether any went."""
        stay = readers[self._pair_readers] & articles[self._pair_articles]
        self._pair_readers, self._pair_articles = self._pair_readers[stay], self._pair_articles[stay]
        return not stay.all()
