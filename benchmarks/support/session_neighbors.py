"""Session-based nearest neighbours as a ceiling: they see all of a session, where a list sees one article.

Short reference implementations of V-SKNN (Ludewig and Jannach 2018) and STAN (Garg et al. 2019) with the settings of
Transformers4Rec (RecSys 2021): 500 neighbours of the 500 latest sessions that share an article; STAN with lambda_spw
0.6725, lambda_snh 100 days and lambda_inh 0.6725.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

NEIGHBORS = 500
SPW, SNH_DAYS, INH = 0.6725, 100.0, 0.6725
DAY_MS = 86_400_000


class SessionNeighbors:
    """
    Sessions to compare with.

    Args:
        clicks: columns `session`, `article` (from 0) and `ms`, ordered by session and time.
        articles: number of articles.
    """

    def __init__(self, clicks: pd.DataFrame, articles: int) -> None:
        self._articles = clicks["article"].to_numpy()
        sessions, ms = clicks["session"].to_numpy(), clicks["ms"].to_numpy()
        starts = np.flatnonzero(np.r_[True, sessions[1:] != sessions[:-1]]) if len(clicks) else np.zeros(0, int)
        self._bounds = np.r_[starts, len(clicks)]
        self._ended = ms[self._bounds[1:] - 1]
        self._size = articles
        number = np.repeat(np.arange(len(starts)), np.diff(self._bounds))
        holder, held = np.divmod(np.unique(number * np.int64(articles) + self._articles), articles)
        order = np.lexsort((-self._ended[holder], held))
        first = np.searchsorted(held[order], np.arange(articles + 1))
        by_article = holder[order]
        self._sessions = [by_article[first[each] : first[each + 1]] for each in range(articles)]

    def vsknn(self, session: Sequence[int], now_ms: int) -> np.ndarray:
        """Return the score of each article after *session*, whose articles are in order."""
        place = {article: number for number, article in enumerate(session, start=1)}
        scores = np.zeros(self._size)
        for found, _ in self._neighbors(place):
            common = [place[article] for article in found if article in place]
            similarity = sum(common) / len(session) / len(place)
            scores[np.unique(found)] += similarity / (len(session) - max(common) + 1)
        return scores

    def stan(self, session: Sequence[int], now_ms: int) -> np.ndarray:
        """Return the score of each article after *session*, whose articles are in order."""
        length = len(session)
        place = {article: number for number, article in enumerate(session, start=1)}
        scores = np.zeros(self._size)
        for found, ended in self._neighbors(place):
            at = np.arange(len(found))
            common = np.flatnonzero(np.isin(found, list(place)))
            weight = sum(np.exp((place[article] - length) / SPW) for article in {*found} & {*place})
            similarity = weight / np.sqrt(length * len(found)) * np.exp(-(now_ms - ended) / DAY_MS / SNH_DAYS)
            np.add.at(scores, found, similarity * np.exp(-np.abs(at - common[-1]) / INH))
        return scores

    def _neighbors(self, place: dict[int, int]) -> list[tuple[np.ndarray, int]]:
        """Return articles and end of the latest sessions that share an article."""
        each = [self._sessions[article][:NEIGHBORS] for article in place]
        together = np.unique(np.concatenate(each))
        latest = together[np.argsort(-self._ended[together], kind="stable")[:NEIGHBORS]]
        return [(self._articles[self._bounds[one] : self._bounds[one + 1]], int(self._ended[one])) for one in latest]
