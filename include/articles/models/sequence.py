"""What readers open next: sessions in their order, the latest first, and what is popular now."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

HOUR_MICROS = 3_600_000_000
MINUTE_MICROS = 60_000_000
STEPS = 10
"""Longest distance of two articles in a session that counts."""
MIN_SESSIONS = 50
"""Sessions of an article within which age hardly counts, where that is longer than the setting."""
MIN_READINGS = 1_000
"""Latest readings within which age hardly counts for popularity, where that is longer than the setting."""
MIN_HALF_LIFE_HOURS = 1e-6
RISE, TOP, TOP_SHARE = 4.0, 20, 0.6
"""See `recent_popularity`."""


@dataclass(frozen=True)
class Readings:
    """
    Readings as numbers, ordered by reader and time.

    Attributes:
        readers: codes of the readers.
        articles: positions of the articles in the matrix.
        micros: when each began, in microseconds since 1970.
        run_at: the instant that ages refer to, in the same unit.
    """

    readers: np.ndarray
    articles: np.ndarray
    micros: np.ndarray
    run_at: int


@dataclass(frozen=True)
class Sessions:
    """
    Readings of each article once per session, in order.

    Attributes:
        numbers: number of the session, ascending.
        articles: positions of the articles.
        age_hours: hours before the run.
    """

    numbers: np.ndarray
    articles: np.ndarray
    age_hours: np.ndarray


def cut_sessions(readings: Readings, idle_minutes: float) -> Sessions:
    """Cut the readings of each reader into sessions after pauses of *idle_minutes*; an article counts once in each."""
    readers, articles, micros = readings.readers, readings.articles, readings.micros
    begins = np.ones(len(readers), dtype=bool)
    begins[1:] = (readers[1:] != readers[:-1]) | (np.diff(micros) > idle_minutes * MINUTE_MICROS)
    numbers = np.cumsum(begins)
    size = int(articles.max(initial=0)) + 1
    _, first = np.unique(numbers * size + articles, return_index=True)
    first.sort()
    age = (readings.run_at - micros[first]) / HOUR_MICROS
    return Sessions(numbers[first], articles[first], age.clip(min=0))


def latest_sessions(sessions: Sessions, articles: int, latest: int, age_hours: float) -> np.ndarray:
    """
    Return the weight of each reading as the source of what follows: `exp(-age / tau)`, 0 beyond the latest ones.

    `tau` is *age_hours*, or the time in which the article had its latest `MIN_SESSIONS`, if that is longer: where
    little is read, old sessions are all there is to learn from.

    Args:
        sessions: the sessions.
        articles: number of articles.
        latest: number of sessions of an article that count.
        age_hours: above 0.
    """
    order = np.lexsort((sessions.age_hours, sessions.articles))
    found = np.bincount(sessions.articles, minlength=articles)
    begin = np.cumsum(found) - found
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(begin, found)
    tau = np.full(articles, age_hours)
    read = np.flatnonzero(found)
    enough = order[begin[read] + np.minimum(found[read], MIN_SESSIONS) - 1]
    tau[read] = np.maximum(tau[read], sessions.age_hours[enough])
    weights = np.exp(-sessions.age_hours / tau[sessions.articles])
    weights[place >= latest] = 0
    return weights


def count_followers(sessions: Sessions, weights: np.ndarray, articles: int, decay_steps: float) -> sparse.csr_matrix:
    """
    Count how often an article was opened after another one in the same session.

    Args:
        sessions: the sessions.
        weights: weight of each reading as a source.
        articles: number of articles.
        decay_steps: an article opened *steps* later counts `exp(-(steps - 1) / decay_steps)`; above 0.

    Returns:
        Shape (articles, articles): rows are sources, columns what followed.
    """
    numbers, read, age = sessions.numbers, sessions.articles, sessions.age_hours
    total = sparse.csr_matrix((articles, articles))
    for steps in range(1, STEPS + 1):
        follows = (numbers[steps:] == numbers[:-steps]) & (age[steps:] < age[:-steps]) & (weights[:-steps] > 0)
        if not follows.any():
            break
        values = weights[:-steps][follows] * np.exp(-(steps - 1) / decay_steps)
        pairs = read[:-steps][follows], read[steps:][follows]
        total = total + sparse.csr_matrix((values, pairs), shape=(articles, articles))
    return total


def recent_popularity(sessions: Sessions, articles: int, half_life_hours: float) -> np.ndarray:
    """
    Return the share of each article in what is read now, as far as it is news.

    A reading has the weight `0.5 ** (age / half-life)`; the half-life is *half_life_hours*, or the time of the latest
    `MIN_READINGS`, if that is longer. Three factors reduce the share p of an article where p says little:

    - in quiet hours few readings say what is popular: the present rate of reading / the mean one, up to 1;
    - an article that was always read is not news: p / (`RISE` x its share of all readings), up to 1;
    - on a site whose readers read different articles, none is popular: (share of the `TOP` most read / `TOP_SHARE`) to
      the power of 3, up to 1.

    Args:
        sessions: the sessions.
        articles: number of articles.
        half_life_hours: above 0.

    Returns:
        Shape (articles,), 0 or more, with a sum of 1 at most.
    """
    age = sessions.age_hours
    if not len(age):
        return np.zeros(articles)
    few = min(len(age), MIN_READINGS) - 1
    half_life = max(half_life_hours, float(np.partition(age, few)[few]), MIN_HALF_LIFE_HOURS)
    weights = 0.5 ** (age / half_life)
    span = max(float(age.max()), half_life / 1_000)
    usual = len(age) / span * half_life / np.log(2) * (1 - 0.5 ** (span / half_life))
    recent = np.bincount(sessions.articles, weights=weights, minlength=articles) / max(weights.sum(), usual)
    always = np.bincount(sessions.articles, minlength=articles) / len(age)
    rising = np.divide(recent, RISE * always, out=np.zeros(articles), where=always > 0)
    held = float(np.sort(recent)[-TOP:].sum())
    return recent * np.minimum(rising, 1) * min(held / TOP_SHARE, 1) ** 3
