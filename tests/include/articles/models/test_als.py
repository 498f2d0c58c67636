"""Matrix factorisation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from include.articles.models.als import NotFiniteError, train_model


def matrix(readers=30, articles=12, seed=1):
    random = np.random.default_rng(seed)
    values = random.uniform(0.1, 1, (readers, articles)) * (random.random((readers, articles)) < 0.3)
    return sparse.csr_matrix(values)


def naive(dense, factors, regularization, epochs):
    """Solve the normal equations one after the other."""
    preference, confidence = (dense > 0).astype(float), 1 + dense
    articles = np.array(factors)
    penalty = regularization * np.eye(articles.shape[1])

    def solve(fixed, confidences, preferences):
        return np.array(
            [
                np.linalg.solve(fixed.T @ (fixed * c[:, None]) + penalty, fixed.T @ (c * p))
                for c, p in zip(confidences, preferences, strict=True)
            ]
        )

    for _ in range(epochs):
        readers = solve(articles, confidence, preference)
        articles = solve(readers, confidence.T, preference.T)
    return readers, articles


@settings(max_examples=20, deadline=None)  # the first one imports implicit
@given(
    st.integers(1, 8), st.integers(1, 6), st.integers(1, 8), st.floats(0.1, 10), st.integers(1, 3), st.integers(0, 99)
)
def test_the_solver_is_exact(readers, articles, factors, regularization, epochs, seed):
    given_matrix = matrix(readers, articles, seed)
    start = np.random.default_rng(seed).standard_normal((articles, factors))
    found = train_model(given_matrix, factors, regularization, epochs, 0, start)
    expected = naive(given_matrix.toarray(), start, regularization, epochs)
    for own, other in zip(found, expected, strict=True):
        assert own == pytest.approx(other, abs=1e-6)  # the library keeps confidences in single precision


def test_what_is_given_stays_as_it_is():
    given_matrix, start = matrix(), np.ones((12, 3))
    before = given_matrix.toarray()
    train_model(given_matrix, 3, 1.0, 1, 0, start)
    assert np.array_equal(given_matrix.toarray(), before)
    assert (start == 1).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 3)])
def test_there_may_be_more_factors_than_readers_and_articles(shape):
    readers, articles = train_model(sparse.csr_matrix(np.full(shape, 0.5)), 20, 2.0, 2, 42)
    assert (readers.shape, articles.shape) == ((shape[0], 20), (shape[1], 20))
    assert np.isfinite(articles).all()


def test_who_read_nothing_and_what_nobody_read_have_vectors_of_zeros():
    values = matrix().toarray()
    values[3], values[:, 5] = 0, 0
    readers, articles = train_model(sparse.csr_matrix(values), 4, 1.0, 2, 42)
    assert not readers[3].any()
    assert not articles[5].any()
    assert articles[4].any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_end_the_training(bad):
    start = np.ones((12, 2))
    start[1, 1] = bad
    with pytest.raises(NotFiniteError, match=r"2 factors, regularization 2\.3, 30 readers, 12 articles"):
        train_model(matrix(), 2, 2.3, 1, 0, start)


def test_progress_is_told():
    told = []
    train_model(matrix(), 4, 1.0, 3, 42, progress=told.append)
    assert told == [1, 2, 3]


def test_a_system_without_solution_says_what_may_help():
    with pytest.raises(NotFiniteError, match=r"regularization 0\.0; a larger one may work"):
        train_model(matrix(3, 4), 10, 0.0, 2, 1)
