"""The models of related articles: from the matrix of dwell, and readings, to vectors of the articles."""

import logging
from collections.abc import Callable

import numpy as np
from scipy import sparse

from include.articles.models import sequence
from include.articles.models.als import train_model
from include.articles.models.cooccurrence import TOPIC_SHARE, blend, describe_by_readers
from include.articles.models.sequence import Readings
from include.articles.models.vectors import Scores, Vectors
from include.articles.settings import ArticleSettings

log = logging.getLogger(__name__)


def _als(matrix: sparse.csr_matrix, settings: ArticleSettings, readings: Readings | None = None) -> Vectors:
    def log_epoch(epoch: int) -> None:
        log.info("epoch %d of %d is done", epoch, settings.epochs)

    progress = log_epoch if settings.display_progress else None
    shape = settings.factors, settings.regularization, settings.epochs, settings.random_seed
    return train_model(matrix, *shape, progress=progress)[1]


def _cooccurrence(matrix: sparse.csr_matrix, settings: ArticleSettings, readings: Readings | None = None) -> Vectors:
    return describe_by_readers(matrix)


def _blend(matrix: sparse.csr_matrix, settings: ArticleSettings, readings: Readings | None = None) -> Vectors:
    return blend(matrix, settings.random_seed)


def _next(matrix: sparse.csr_matrix, settings: ArticleSettings, readings: Readings | None = None) -> Scores:
    """
    Score what readers open next.

    With S the counts of `sequence.count_followers`, n the sessions of a source, p `sequence.recent_popularity` and mu
    `next_popularity`, the score of target j for source i is `(S_ij + mu p_j) / (n_i + mu)`, to which the similarity of
    `blend` is mixed with the share `next_blend`. An article without sessions has the popular ones, ordered by this
    similarity, too. Counts that decay, and popularity as their prior, are session-based nearest neighbours (STAN, Garg
    et al. 2019; V-SKNN, Ludewig and Jannach 2018) for questions of one article.
    """
    articles = matrix.shape[1]
    nobody = np.zeros(0, np.int64)
    sessions = sequence.cut_sessions(readings or Readings(nobody, nobody, nobody, 0), settings.next_idle_minutes)
    weights = sequence.latest_sessions(sessions, articles, settings.next_sessions, settings.next_age_hours)
    follows = sequence.count_followers(sessions, weights, articles, settings.next_steps)
    popular = sequence.recent_popularity(sessions, articles, settings.next_popularity_half_life_hours)
    prior, share = settings.next_popularity, settings.next_blend
    found = np.bincount(sessions.articles, weights=weights, minlength=articles) + prior
    scale = np.divide(1 - share, found, out=np.zeros(articles), where=found > 0)
    similar = blend(matrix, settings.random_seed) * np.sqrt(share / (1 + TOPIC_SHARE))
    sources = [sparse.diags_array(scale) @ follows, sparse.csr_matrix((scale * prior)[:, None]), similar]
    targets = [sparse.identity(articles), sparse.csr_matrix(popular[:, None]), similar]
    return Scores(sparse.hstack(sources, format="csr"), sparse.hstack(targets, format="csr"))


MODELS: dict[str, Callable[[sparse.csr_matrix, ArticleSettings, Readings | None], Vectors | Scores]] = {
    "als": _als,
    "cooccurrence": _cooccurrence,
    "blend": _blend,
    "next": _next,
}
"""
Name → function from scaled dwell, shape (readers, articles), settings and readings to the vectors of the articles.

Only `next` uses readings; without them, it has nothing but the similarity of `blend`.
"""
OF_READINGS = frozenset({"next"})
"""Models that use readings; their result is `Scores`."""
