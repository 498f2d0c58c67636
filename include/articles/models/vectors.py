"""Vectors that describe articles; the cosine of two is the similarity of the articles."""

from dataclasses import dataclass
from typing import overload

import numpy as np
from scipy import sparse

Vectors = np.ndarray | sparse.csr_matrix
"""One row per article, dense or sparse."""


@dataclass(frozen=True)
class Scores:
    """
    Vectors whose products are scores, 1 at most: one of a source and one of a target, in place of a cosine of equals.

    Attributes:
        sources: one row per article, as the source of a list.
        targets: one row per article, as a target.
    """

    sources: sparse.csr_matrix
    targets: sparse.csr_matrix


@overload
def unit_rows(vectors: np.ndarray) -> np.ndarray: ...
@overload
def unit_rows(vectors: sparse.csr_matrix) -> sparse.csr_matrix: ...
def unit_rows(vectors: Vectors) -> Vectors:
    """Scale each row to length 1, so that products are cosines; rows of zeros are kept."""
    if sparse.issparse(vectors):
        rows = sparse.csr_matrix(vectors, dtype=np.float64, copy=True)
        rows.eliminate_zeros()
        row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        largest = np.zeros(rows.shape[0])
        np.maximum.at(largest, row, np.abs(rows.data))
        rows.data /= largest[row]  # so that squares neither overflow nor underflow
        rows.data /= np.sqrt(np.bincount(row, rows.data**2, minlength=rows.shape[0]))[row]
        return rows
    dense = np.asarray(vectors, dtype=np.float64)
    dense = _divide(dense, np.abs(dense).max(axis=1, initial=0, keepdims=True))
    return _divide(dense, np.linalg.norm(dense, axis=1, keepdims=True))


def _divide(rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
