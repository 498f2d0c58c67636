"""The matrix of dwell, readers x articles."""

from datetime import date

import numpy as np
import pandas as pd
from scipy import sparse

from include.articles.interactions.columns import in_text_order
from include.articles.interactions.dwell import INTERACTION


def aggregate_times(
    interactions: pd.DataFrame, run_date: date, half_life_days: float
) -> tuple[np.ndarray, np.ndarray, sparse.csr_matrix]:
    """
    Sum the dwell of each reader on each article, with less weight the longer ago it was.

    Args:
        interactions: one row per reader, article and date; columns `client_id`, `external_id`, `session_date` and
            `dwell_seconds`.
        run_date: the UTC date at which dwell has full weight.
        half_life_days: dwell of *days* whole days earlier has the weight `0.5 ** (days / half_life_days)`; infinite: no
            decay.

    Returns:
        Reader ids and article ids, each ascending as text, and the seconds, shape (readers, articles); only values
        above 0 are stored.
    """
    keyed = interactions.assign(**{column: in_text_order(interactions[column]) for column in INTERACTION[:2]})
    keyed = keyed.sort_values(INTERACTION)  # sums of floats depend on the order of their terms
    days = (pd.Timestamp(run_date) - pd.to_datetime(keyed["session_date"])).dt.days
    decayed = keyed["dwell_seconds"].to_numpy(float) * np.power(0.5, days.to_numpy(float) / half_life_days)
    readers, articles = keyed["client_id"].cat, keyed["external_id"].cat
    shape = len(readers.categories), len(articles.categories)
    matrix = sparse.coo_matrix((decayed, (readers.codes.to_numpy(), articles.codes.to_numpy())), shape=shape).tocsr()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return readers.categories.to_numpy(object), articles.categories.to_numpy(object), matrix


def scale_matrix(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """
    Scale seconds to `ln(1 + s)` divided by the largest such value of the column; stored values are in (0, 1].

    Args:
        matrix: seconds above 0, shape (readers, articles).
    """
    scaled = matrix.tocsr(copy=True).astype(np.float64)
    scaled.data = np.log1p(scaled.data)
    largest = np.zeros(scaled.shape[1])  # `max` does not accept a matrix without rows
    np.maximum.at(largest, scaled.indices, scaled.data)
    scaled.data /= largest[scaled.indices]
    return scaled


def add_articles(
    external_ids: np.ndarray, matrix: sparse.csr_matrix, others: np.ndarray
) -> tuple[np.ndarray, sparse.csr_matrix]:
    """
    Add articles without dwell.

    Args:
        external_ids: the articles of the matrix, distinct text.
        matrix: shape (readers, articles).
        others: further articles, or some of the same.

    Returns:
        All articles, ascending as text, and the matrix with a column for each.
    """
    together = np.array(sorted({*external_ids, *others}), dtype=object)
    places = pd.Index(together).get_indexer(pd.Index(external_ids))
    found = matrix.tocoo()
    shape = matrix.shape[0], len(together)
    return together, sparse.csr_matrix((found.data, (found.row, places[found.col])), shape=shape)
