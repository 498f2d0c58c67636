"""From vectors to lists: which articles to recommend with each article."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from include.articles.vectors import Vectors, unit_rows

BLOCK_ROWS, BLOCK_CELLS = 2_000, 2**24
"""Similarities are computed for so many sources at once, and so many numbers (8 bytes each)."""
DECIMALS = 12
"""Similarities that differ by less are equal: what is beyond depends on how a product was computed."""


def rank_recommendations(
    article_vectors: Vectors,
    external_ids: Sequence[str],
    weights: Sequence[float] | np.ndarray,
    max_recs: int,
    progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """
    List for each article those whose vectors point in the same direction, weighed.

    An article's rank depends on the cosine of both vectors, 0 for a vector of zeros, times its own weight. Of equal
    ones the first by text comes first. The list of each source has min(max_recs, articles - 1) rows.

    Args:
        article_vectors: shape (articles, factors), dense or sparse.
        external_ids: the articles, distinct, in the order of the vectors.
        weights: how much each article counts as a target, 0 to 1, in the same order.
        max_recs: most rows of a list.
        progress: is told how many articles have their list.

    Returns:
        Columns `source` and `target` (external ids), `rank` from 1 and `score`, the ranked value clipped to 0 and 1
        and rounded to 6 places; ordered by source and rank.

    Raises:
        ValueError: a weight is not finite.
    """
    ids = np.array([str(each) for each in external_ids], dtype=object)
    order = np.argsort(ids, kind="stable")  # so that a lower position means: first by text
    ids, parts = ids[order], _parts(unit_rows(article_vectors)[order])
    weight = np.asarray(weights, dtype=float)[order]
    if not np.isfinite(weight).all():
        raise ValueError(f"a finite weight was expected of article {ids[~np.isfinite(weight)][0]}")
    length = max(min(max_recs, len(ids) - 1), 0)
    targets = np.empty((len(ids), length), np.int64)
    scores = np.empty((len(ids), length))
    rows = min(BLOCK_ROWS, max(BLOCK_CELLS // max(len(ids), 1), 1))
    for begin in range(0, len(ids), rows):
        block = slice(begin, min(begin + rows, len(ids)))
        ranked = _similarities(parts, block)
        ranked *= weight
        ranked[np.arange(block.stop - begin), np.arange(begin, block.stop)] = -np.inf  # not itself
        targets[block] = _largest(ranked, length)
        scores[block] = np.take_along_axis(ranked, targets[block], axis=1)
        if progress:
            progress(block.stop)
    return pd.DataFrame(
        {
            "source": np.repeat(ids, length),
            "rank": np.tile(np.arange(1, length + 1), len(ids)),
            "target": ids[targets.ravel()],
            "score": scores.clip(0, 1).round(6).ravel() + 0.0,
        }
    )


def _parts(unit: Vectors) -> list[Vectors]:
    """Split columns: those that most rows have are multiplied far faster as a dense matrix."""
    if not sparse.issparse(unit):
        return [unit]
    rows = unit.tocsc()
    full = np.diff(rows.indptr) > rows.shape[0] / 4
    return [rows[:, ~full].tocsr(), rows[:, full].toarray()]


def _similarities(parts: list[Vectors], block: slice) -> np.ndarray:
    """Give the cosines of the articles in *block* with all, shape (block, articles)."""
    total = np.zeros((block.stop - block.start, parts[0].shape[0]))
    for part in parts:
        product = part[block] @ part.T
        total += product if isinstance(product, np.ndarray) else product.toarray()
    return total.round(DECIMALS, out=total)


def _largest(ranked: np.ndarray, length: int) -> np.ndarray:
    """Give the positions of the largest values of each row, descending; of equal ones the first."""
    found = np.empty((len(ranked), length), np.int64)
    for row, values in enumerate(ranked):
        chosen = _top(values, np.flatnonzero(values > 0), length)
        if len(chosen) < length:  # zeros apart: they are in order, and NumPy is slow to partition equal numbers
            chosen = np.append(chosen, np.flatnonzero(values == 0)[: length - len(chosen)])
        if len(chosen) < length:
            chosen = np.append(chosen, _top(values, np.flatnonzero(values < 0), length - len(chosen)))
        found[row] = chosen
    return found


def _top(values: np.ndarray, positions: np.ndarray, length: int) -> np.ndarray:
    if len(positions) > length > 0:
        bound = np.partition(values[positions], -length)[-length]
        positions = positions[values[positions] >= bound]
    return positions[np.argsort(-values[positions], kind="stable")[:length]]
