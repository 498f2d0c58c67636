"""What makes articles alike: models that give each article a vector, from who read what for how long."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from include.articles.als import train_model
from include.articles.cooccurrence import blend, describe_by_readers
from include.articles.settings import ArticleSettings

Vectors = np.ndarray | sparse.csr_matrix
"""One row an article; the cosine of two rows is how alike the articles are."""


def _als(matrix: sparse.csr_matrix, settings: ArticleSettings) -> Vectors:
    return train_model(matrix, settings.factors, settings.regularization, settings.epochs, settings.random_seed)[1]


def _cooccurrence(matrix: sparse.csr_matrix, settings: ArticleSettings) -> Vectors:
    return describe_by_readers(matrix)


def _blend(matrix: sparse.csr_matrix, settings: ArticleSettings) -> Vectors:
    return blend(matrix, settings.random_seed)


MODELS: dict[str, Callable[[sparse.csr_matrix, ArticleSettings], Vectors]] = {
    "als": _als,
    "cooccurrence": _cooccurrence,
    "blend": _blend,
}
"""Name → how scaled dwell, shape (readers, articles), becomes the articles' vectors."""
