"""Matrix factorisation: readers and articles as short vectors whose products predict who reads what."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from include.core.errors import BadDataError


class NotFiniteError(BadDataError):
    """Training produced values that are not finite."""


def train_model(
    matrix: sparse.csr_matrix,
    factors: int,
    regularization: float,
    epochs: int,
    seed: int,
    initial_item_factors: np.ndarray | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """
    Factorise the matrix by alternating least squares for implicit feedback.

    With preference p = 1 where a value is stored, else 0, and confidence c = 1 + value, it minimises
    `sum c (p - u v)^2 + regularization (sum |u|^2 + sum |v|^2)`; an epoch solves all readers, then all articles,
    exactly (Hu, Koren, Volinsky 2008). The same input and seed give the same vectors with any number of threads.

    Args:
        matrix: scaled dwell in (0, 1], shape (readers, articles).
        factors: length of the vectors; may exceed the dimensions of the matrix.
        regularization: above 0.
        epochs: 1 or more.
        seed: seed of the random initial vectors.
        initial_item_factors: initial vectors of the articles in place of random ones, shape (articles, factors).
        progress: called with the number of each completed epoch, from 1.

    Returns:
        Vectors of the readers and of the articles, shapes (readers, factors) and (articles, factors).

    Raises:
        NotFiniteError: a vector has a value that is not finite, or the equations have no solution.
    """
    from implicit.cpu.als import AlternatingLeastSquares  # importing it takes most of a second
    from implicit.recommender_base import ModelFitError

    confidence = matrix.tocsr(copy=True)
    confidence.data = 1 + confidence.data
    with threadpool_limits(1, "blas"):  # the solver has threads of its own
        model = AlternatingLeastSquares(
            factors=factors,
            regularization=regularization,
            alpha=1.0,
            iterations=epochs,
            dtype=np.float64,  # pyright: ignore[reportArgumentType] - only the default is float32
            use_cg=False,
            random_state=seed,
        )
        if initial_item_factors is not None:
            model.item_factors = np.array(initial_item_factors, dtype=np.float64)
        try:
            with suppress(ModelFitError), np.errstate(over="ignore", invalid="ignore"):  # reported below
                model.fit(confidence, show_progress=False, callback=lambda epoch, *_: progress and progress(epoch + 1))
        except ValueError as error:  # of LAPACK's solver
            text = f"training failed with regularization {regularization}; a larger one may work: {error}"
            raise NotFiniteError(text) from error
    readers, articles = np.asarray(model.user_factors), np.asarray(model.item_factors)
    if not (np.isfinite(readers).all() and np.isfinite(articles).all()):
        raise NotFiniteError(
            f"training produced values that are not finite: {factors} factors, regularization {regularization}, "
            f"{matrix.shape[0]} readers, {matrix.shape[1]} articles"
        )
    return readers, articles
