"""From vectors to lists: which articles to recommend for each article."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from include.articles.models.vectors import Scores, Vectors, unit_rows

BLOCK_ROWS, BLOCK_CELLS = 2_000, 2**24
"""Largest number of sources, and of values (8 bytes each), for which similarities are computed at once."""
DECIMALS = 12
"""Similarities are rounded: further digits depend on how a product was computed."""


def rank_recommendations(
    article_vectors: Vectors | Scores,
    external_ids: Sequence[str],
    weights: Sequence[float] | np.ndarray,
    max_recs: int,
    progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """
    List the most similar articles of each article, weighted by age.

    A target is ranked by the cosine of both vectors (0 for a vector of zeros) times its own weight; ties are ordered by
    external id. The list of each source has min(max_recs, articles - 1) rows.

    Args:
        article_vectors: shape (articles, factors), dense or sparse; or scores, which take the place of cosines.
        external_ids: the articles, distinct, in the order of the vectors.
        weights: weight of each article as a target, 0 to 1, in the same order.
        max_recs: maximum number of rows of a list.
        progress: called with the number of articles that have their list.

    Returns:
        Columns `source` and `target` (external ids), `rank` from 1 and `score`, the ranked value clipped to 0 and 1
        and rounded to 6 places; ordered by source and rank.

    Raises:
        ValueError: a weight is not finite.
    """
    ids = np.array([str(each) for each in external_ids], dtype=object)
    order = np.argsort(ids, kind="stable")  # so that positions are in the order of external ids
    ids = ids[order]
    if isinstance(article_vectors, Scores):
        parts = _parts(article_vectors.sources[order], article_vectors.targets[order])
    else:
        unit = unit_rows(article_vectors)[order]
        parts = _parts(unit, unit)
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
        ranked[np.arange(block.stop - begin), np.arange(begin, block.stop)] = -np.inf  # never the article itself
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


def _parts(sources: Vectors, targets: Vectors) -> list[tuple[Vectors, Vectors]]:
    """Split the columns: well-filled ones are multiplied far faster as dense matrices."""
    if not (sparse.issparse(sources) and sparse.issparse(targets)):
        return [(sources, targets)]
    right = targets.tocsc()
    full = np.diff(right.indptr) > right.shape[0] / 4

    def split(columns: sparse.csc_matrix) -> tuple[Vectors, Vectors]:
        return columns[:, ~full].tocsr(), columns[:, full].toarray()

    rights = split(right)
    lefts = rights if sources is targets else split(sources.tocsc())
    return list(zip(lefts, rights, strict=True))


def _similarities(parts: list[tuple[Vectors, Vectors]], block: slice) -> np.ndarray:
    """Return the products of the articles in *block* with all articles, shape (block, articles)."""
    total = np.zeros((block.stop - block.start, parts[0][1].shape[0]))
    for sources, targets in parts:
        product = sources[block] @ targets.T
        total += product if isinstance(product, np.ndarray) else product.toarray()
    return total.round(DECIMALS, out=total)


def _largest(ranked: np.ndarray, length: int) -> np.ndarray:
    """Return the positions of the largest values of each row, descending; ties keep their order."""
    found = np.empty((len(ranked), length), np.int64)
    for row, values in enumerate(ranked):
        chosen = _top(values, np.flatnonzero(values > 0), length)
        if len(chosen) < length:  # zeros are already in order, and NumPy is slow to partition equal values
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
