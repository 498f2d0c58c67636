"""Vectors that describe articles; the cosine of two is how alike the articles are."""

from typing import overload

import numpy as np
from scipy import sparse

Vectors = np.ndarray | sparse.csr_matrix
"""One row an article, dense or sparse."""


@overload
def unit_rows(vectors: np.ndarray) -> np.ndarray: ...
@overload
def unit_rows(vectors: sparse.csr_matrix) -> sparse.csr_matrix: ...
def unit_rows(vectors: Vectors) -> Vectors:
    """Bring each row to length 1, so that products are cosines; rows of zeros stay so."""
    if sparse.issparse(vectors):
        rows = sparse.csr_matrix(vectors, dtype=np.float64, copy=True)
        rows.eliminate_zeros()
        row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        largest = np.zeros(rows.shape[0])
        np.maximum.at(largest, row, np.abs(rows.data))
        rows.data /= largest[row]  # so that no square is too large or too small for a float
        rows.data /= np.sqrt(np.bincount(row, rows.data**2, minlength=rows.shape[0]))[row]
        return rows
    dense = np.asarray(vectors, dtype=np.float64)
    dense = _divide(dense, np.abs(dense).max(axis=1, initial=0, keepdims=True))
    return _divide(dense, np.linalg.norm(dense, axis=1, keepdims=True))


def _divide(rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
