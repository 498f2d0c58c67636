"""Hourly windows of news: train on all clicks before an hour, ask about the sessions that begin in it.

The protocol of Transformers4Rec (RecSys 2021) for the clicks of G1: a question is the last article of a session of 2 to
20 clicks, given the one before; all articles are ranked; NDCG@20 is averaged over the questions of a window, then over
windows. Training ends strictly with the hour's beginning, for sessions under way, too. Questions whose answer has no
readers yet count as missed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.support import recommendations as lists_of
from benchmarks.support.recommendations import SETTINGS
from benchmarks.support.session_neighbors import SessionNeighbors
from include.articles.interactions import filters
from include.articles.interactions.readings import code_readings
from include.articles.models import matrix, sequence
from include.articles.models.ranking import rank_recommendations
from include.articles.models.sequence import Readings
from include.articles.models.training import MODELS, OF_READINGS

TOP = 20
SIZES = range(2, 21)
HALF_LIVES_HOURS = (0.5, 1, 2, 6)
NEIGHBOR_QUESTIONS = 300
"""Questions of a window that nearest neighbours of whole sessions answer, a sample: they take a millisecond each."""


@dataclass(frozen=True)
class Window:
    """
    What is known at the beginning of an hour, and its questions.

    Attributes:
        hour: number of the hour.
        begin_ms: its beginning.
        before: clicks before it.
        sessions: the sessions that begin in it, each a list of articles in order.
    """

    hour: int
    begin_ms: int
    before: pd.DataFrame
    sessions: list[list[str]]


def read_windows(folder: Path) -> Iterator[Window]:
    """Yield the windows of the hours that the folder has, from 1 on."""
    columns = ["user_id", "session_id", "session_start", "click_article_id", "click_timestamp"]
    hours = {int(path.stem.rsplit("_", 1)[1]): path for path in sorted(folder.glob("clicks_hour_*.csv"))}
    found = pd.concat([pd.read_csv(path, usecols=columns).assign(hour=hour) for hour, path in hours.items()])
    names = dict(zip(columns, ("reader", "session", "start", "article", "ms"), strict=True))
    clicks = found.rename(columns=names).astype({"reader": str, "article": str})
    clicks = clicks.sort_values(["session", "ms", "article"], ignore_index=True)
    clicks["last"] = ~clicks.duplicated("session", keep="last")
    for hour in sorted(hours)[1:]:
        own = clicks[clicks["hour"] == hour]
        begin = int(own["start"].min())
        sessions = [each for each in own.groupby("session")["article"].agg(list) if len(each) in SIZES]
        yield Window(hour, begin, clicks[clicks["ms"] < begin], sessions)


class Rankings:
    """The lists and scores of a window's methods, and what they are worth."""

    def __init__(self, window: Window) -> None:
        self._window = window
        before = window.before.sort_values(["reader", "ms", "article"], ignore_index=True)
        events = before.rename(columns={"reader": "client_id", "article": "external_id"})
        events = events.astype({"client_id": "category", "external_id": "category"})
        kept = before.loc[filters.filter_articles(events).index]
        run_at = pd.Timestamp(window.begin_ms, unit="ms", tz="UTC")
        interactions = lists_of.interactions_of(before.loc[~before["last"], ["reader", "article", "ms"]])
        half_life = SETTINGS.dwell_half_life_days
        articles, seconds = matrix.aggregate_times(interactions, run_at.date(), half_life)[1:]
        self._narrow = articles, matrix.scale_matrix(seconds)
        self._wide = matrix.add_articles(*self._narrow, kept["article"].unique())
        self._articles = self._wide[0]
        opened = code_readings(lists_of.open_articles(kept), self._articles)
        self._readings = Readings(*opened, window.begin_ms * 1000)
        self._popular: dict[float, np.ndarray] = {}

    def popular(self, half_life_hours: float) -> float:
        """Return NDCG@20 of the list of what was read most, by a half-life."""
        order = self._by_popularity(half_life_hours)
        ranks = {article: number for number, article in enumerate(order, start=1)}
        gains = []
        for session in self._window.sessions:
            rank, source = ranks.get(session[-1], np.inf), ranks.get(session[-2], np.inf)
            gains.append(_gain(rank - (source < rank)))
        return float(np.mean(gains))

    def of_lists(self, model: str) -> float:
        """Return NDCG@20 of a model's lists; an article without a list has the most popular ones of an hour."""
        articles, dwell = self._wide if model in OF_READINGS else self._narrow
        vectors = MODELS[model](dwell, SETTINGS, self._readings if model in OF_READINGS else None)
        found = rank_recommendations(vectors, articles.tolist(), np.ones(len(articles)), TOP)
        ranks = dict(zip(zip(found["source"], found["target"], strict=True), found["rank"], strict=True))
        known, popular = set(articles), {a: n for n, a in enumerate(self._by_popularity(1.0), start=1)}
        gains = []
        for session in self._window.sessions:
            source, target = session[-2:]
            gains.append(_gain(ranks.get((source, target), np.inf) if source in known else popular.get(target, np.inf)))
        return float(np.mean(gains))

    def of_neighbors(self, methods: Mapping[str, str]) -> dict[str, tuple[float, float]]:
        """
        Return NDCG@20 of nearest neighbours that see the whole session, on a sample, and of `next` on the same sample.

        Args:
            methods: name → method of `SessionNeighbors`.
        """
        clicks = self._window.before[["session", "article", "ms"]]
        known = pd.Index(clicks["article"].unique())
        clicks = clicks.assign(article=known.get_indexer(clicks["article"]))
        neighbors = SessionNeighbors(clicks, len(known))
        rng = np.random.default_rng(self._window.hour)
        chosen = rng.permutation(len(self._window.sessions))[:NEIGHBOR_QUESTIONS]
        sample = [self._window.sessions[number] for number in chosen]
        own = Rankings.__new__(Rankings)
        own.__dict__ |= self.__dict__ | {"_window": Window(self._window.hour, self._window.begin_ms, clicks, sample)}
        beside = own.of_lists("next")
        values = {}
        for name, method in methods.items():
            gains = []
            for session in sample:
                seen = [place for place in known.get_indexer(pd.Index(session[:-1])) if place >= 0]
                target = known.get_indexer(pd.Index(session[-1:]))[0]
                if not seen or target < 0:
                    gains.append(0.0)
                    continue
                scores = getattr(neighbors, method)(seen, self._window.begin_ms)
                scores[seen[-1]] = 0
                better = int((scores > scores[target]).sum())
                gains.append(_gain(better + 1) if scores[target] > 0 else 0.0)
            values[name] = float(np.mean(gains)), beside
        return values

    def _by_popularity(self, half_life_hours: float) -> np.ndarray:
        if half_life_hours not in self._popular:
            age = (self._readings.run_at - self._readings.micros) / sequence.HOUR_MICROS
            weights = 0.5 ** (age / half_life_hours)
            read = np.bincount(self._readings.articles, weights=weights, minlength=len(self._articles))
            self._popular[half_life_hours] = self._articles[np.argsort(-read, kind="stable")]
        return self._popular[half_life_hours]


def _gain(rank: float) -> float:
    return float(1 / np.log2(1 + rank)) if rank <= TOP else 0.0
