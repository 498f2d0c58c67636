"""Similarity by co-occurrence: articles with common readers, or whose readers read the same other articles."""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, eigsh
from threadpoolctl import threadpool_limits

from include.articles.models.vectors import unit_rows

DAMPING = 100.0
TOPICS, TOPIC_SHARE = 32, 0.1
"""Chosen on real and generated readers; doubling or halving either changes little."""
DENSE_ARTICLES = 200
MIN_LENGTH = 1e-9
"""Shorter vectors are rounding errors."""


def describe_by_readers(matrix: sparse.csr_matrix, damping: float = DAMPING) -> sparse.csr_matrix:
    """
    Describe each article by its readers: the cosine of two rows is the share of readers they have in common.

    A reader has the weight 1 + dwell, reduced for readers of many articles: each product of two articles has the factor
    `1 / ln(1 + articles read)` (Adamic, Adar 2003). So that two articles with a single common reader do not count as
    equal, each article also gets fictitious readers of its own who read nothing else.

    Args:
        matrix: scaled dwell in (0, 1], shape (readers, articles).
        damping: weight of the fictitious readers, added to the squared length of a row; 0: none.

    Returns:
        Shape (articles, readers + articles), rows of length 1; without damping, rows of articles without readers are 0.
    """
    weighted = matrix.tocsr(copy=True).astype(np.float64)
    articles_read = np.diff(weighted.indptr)
    weighted.data = (1 + weighted.data) / np.sqrt(np.log1p(np.repeat(articles_read, articles_read)))
    own = sparse.identity(matrix.shape[1], format="csr") * np.sqrt(damping)
    return unit_rows(sparse.hstack([weighted.T, own], format="csr"))


def describe_by_topics(matrix: sparse.csr_matrix, seed: int, topics: int = TOPICS) -> np.ndarray:
    """
    Describe each article by topics: articles that are read together with the same articles are similar.

    Let S be the cosines of `describe_by_readers`, undamped. Two articles are compared by their rows of S, reduced to
    its largest eigenvalues (latent semantic analysis, Deerwester et al. 1990), which also relates articles without
    common readers.

    Args:
        matrix: scaled dwell in (0, 1], shape (readers, articles).
        seed: seed of the solver's initial vector.
        topics: maximum number of eigenvalues.

    Returns:
        Shape (articles, min(topics, articles)), rows of length 1, or 0 for an article in none of the topics.
    """
    readers = describe_by_readers(matrix, damping=0)
    articles = readers.shape[0]
    with threadpool_limits(1, "blas"):  # the order of sums, and with it the last digits, depends on the threads
        if articles <= max(DENSE_ARTICLES, topics):
            values, vectors = np.linalg.eigh((readers @ readers.T).toarray())
        else:
            cosines = LinearOperator((articles, articles), matvec=lambda v: readers @ (readers.T @ v), dtype=np.float64)
            values, vectors = eigsh(cosines, k=topics, which="LA", rng=seed)
    rows = vectors[:, -topics:] * values[-topics:]
    rows[np.linalg.norm(rows, axis=1) < MIN_LENGTH] = 0
    return unit_rows(rows)


def blend(matrix: sparse.csr_matrix, seed: int) -> sparse.csr_matrix:
    """
    Describe each article by readers and by topics.

    Common readers dominate where there are many, topics where there are few: the product of two rows is the cosine of
    `describe_by_readers`, which damping makes small where readers are few, plus a tenth of the cosine of
    `describe_by_topics`.

    Args:
        matrix: scaled dwell in (0, 1], shape (readers, articles).
        seed: seed of the topics' solver.

    Returns:
        Shape (articles, readers + articles + topics).
    """
    topics = describe_by_topics(matrix, seed) * np.sqrt(TOPIC_SHARE)
    return sparse.hstack([describe_by_readers(matrix), sparse.csr_matrix(topics)], format="csr")
