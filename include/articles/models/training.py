"""The models of related articles: from the matrix of dwell to a vector per article."""

import logging
from collections.abc import Callable

from scipy import sparse

from include.articles.models.als import train_model
from include.articles.models.cooccurrence import blend, describe_by_readers
from include.articles.models.vectors import Vectors
from include.articles.settings import ArticleSettings

log = logging.getLogger(__name__)


def _als(matrix: sparse.csr_matrix, settings: ArticleSettings) -> Vectors:
    def log_epoch(epoch: int) -> None:
        log.info("epoch %d of %d is done", epoch, settings.epochs)

    progress = log_epoch if settings.display_progress else None
    shape = settings.factors, settings.regularization, settings.epochs, settings.random_seed
    return train_model(matrix, *shape, progress=progress)[1]


def _cooccurrence(matrix: sparse.csr_matrix, settings: ArticleSettings) -> Vectors:
    return describe_by_readers(matrix)


def _blend(matrix: sparse.csr_matrix, settings: ArticleSettings) -> Vectors:
    return blend(matrix, settings.random_seed)


MODELS: dict[str, Callable[[sparse.csr_matrix, ArticleSettings], Vectors]] = {
    "als": _als,
    "cooccurrence": _cooccurrence,
    "blend": _blend,
}
"""Name → function from scaled dwell, shape (readers, articles), to the vectors of the articles."""
