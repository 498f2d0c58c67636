"""Articles are alike when the same readers read them, or readers of the same other articles."""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from threadpoolctl import threadpool_limits

from include.articles.models import cooccurrence
from include.articles.models.cooccurrence import blend, describe_by_readers, describe_by_topics

READ = np.array([[0.5, 1.0, 0], [1, 0, 0], [0, 0.2, 1]])


def matrix(readers=300, articles=120, groups=4, seed=1):
    """Build readers who mostly read the articles of their group."""
    random = np.random.default_rng(seed)
    same = np.arange(readers)[:, None] % groups == np.arange(articles) % groups
    read = random.random((readers, articles)) < np.where(same, 0.15, 0.01)
    return sparse.csr_matrix(random.uniform(0.1, 1, read.shape) * read)


def cosines(vectors):
    rows = vectors.toarray() if sparse.issparse(vectors) else vectors
    return rows @ rows.T


def test_articles_with_the_same_readers_are_alike():
    found = cosines(describe_by_readers(sparse.csr_matrix(READ), damping=0))
    busy, idle = 1 / log(3), 1 / log(2)  # readers of two articles, and of one
    lengths = [sqrt(1.5**2 * busy + 2**2 * idle), sqrt(2**2 * busy + 1.2**2 * busy), sqrt(2**2 * busy)]
    assert found[0, 1] == pytest.approx(1.5 * 2 * busy / (lengths[0] * lengths[1]))
    assert found[1, 2] == pytest.approx(1.2 * 2 * busy / (lengths[1] * lengths[2]))
    assert found[0, 2] == 0
    assert np.diag(found) == pytest.approx(1)


def test_a_few_common_readers_say_less_than_many():
    def alike(readers, damping):
        return cosines(describe_by_readers(sparse.csr_matrix(np.ones((readers, 2))), damping))[0, 1]

    assert [alike(1, 0), alike(50, 0)] == pytest.approx([1, 1])
    weight = 2**2 / log(3)  # the squared confidence of each of them
    assert alike(1, 100) == pytest.approx(weight / (weight + 100))
    assert alike(50, 100) == pytest.approx(50 * weight / (50 * weight + 100))


def test_what_nobody_read_is_like_nothing():
    values = READ.copy()
    values[:, 1] = 0
    for damping in (0, 100):
        found = cosines(describe_by_readers(sparse.csr_matrix(values), damping))
        assert found[1, 0] == found[1, 2] == 0
    for vectors in (describe_by_topics(sparse.csr_matrix(values), 42), blend(sparse.csr_matrix(values), 42)):
        found = cosines(vectors)
        assert np.isfinite(found).all()
        assert found[1, 0] == found[1, 2] == 0


def test_topics_relate_articles_without_common_readers():
    read = sparse.csr_matrix(np.array([[1.0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]))
    assert cosines(describe_by_readers(read))[0, 2] == 0
    found = cosines(describe_by_topics(read, 42))  # of the rows (1, √½, 0, 0), (√½, 1, √½, 0), (0, √½, 1, 0)
    assert found[0, 2] == pytest.approx(1 / 3)
    assert found[0, 3] == pytest.approx(0)


def test_with_all_topics_articles_are_compared_by_their_cosines_with_all():
    given_matrix = matrix(200, 20)
    alike = cosines(describe_by_readers(given_matrix, damping=0))
    rows = alike / np.linalg.norm(alike, axis=1, keepdims=True)
    assert cosines(describe_by_topics(given_matrix, 42, topics=20)) == pytest.approx(rows @ rows.T)


def test_topics_are_those_that_readers_have():
    found = cosines(describe_by_topics(matrix(), 42, topics=4))
    same = np.arange(120)[:, None] % 4 == np.arange(120) % 4
    assert found[same].mean() > 0.9
    assert found[~same].mean() < 0.5


@pytest.mark.parametrize("groups", [1, 4, 30])
def test_many_articles_take_another_way_to_the_same(monkeypatch, groups):
    given_matrix = matrix(600, 120, groups)
    expected = cosines(describe_by_topics(given_matrix, 42, topics=groups))
    monkeypatch.setattr(cooccurrence, "DENSE_ARTICLES", 0)
    assert cosines(describe_by_topics(given_matrix, 42, topics=groups)) == pytest.approx(expected, abs=1e-9)
    assert describe_by_topics(given_matrix, 42, topics=200).shape == (120, 120)


def test_pairs_of_articles_without_any_link_are_no_obstacle(monkeypatch):
    monkeypatch.setattr(cooccurrence, "DENSE_ARTICLES", 0)
    pairs = sparse.kron(sparse.identity(100), np.ones((1, 2)), format="csr")
    assert np.isfinite(describe_by_topics(pairs, 42)).all()


def test_the_product_of_both_is_their_sum():
    given_matrix = matrix(50, 30)
    both = cosines(describe_by_readers(given_matrix)) + 0.1 * cosines(describe_by_topics(given_matrix, 42))
    assert cosines(blend(given_matrix, 42)) == pytest.approx(both)


@settings(max_examples=50)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6))
def test_any_size_gives_finite_vectors_and_leaves_what_is_given(readers, articles, seed):
    random = np.random.default_rng(seed)
    given_matrix = sparse.csr_matrix(random.random((readers, articles)) * (random.random((readers, articles)) < 0.5))
    before = given_matrix.toarray()
    for vectors in (describe_by_readers(given_matrix), describe_by_topics(given_matrix, 1), blend(given_matrix, 1)):
        assert vectors.shape[0] == articles
        assert np.isfinite(cosines(vectors)).all()
    assert np.array_equal(given_matrix.toarray(), before)


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    monkeypatch.setattr(cooccurrence, "DENSE_ARTICLES", 0)
    found = []
    for threads in (1, 3, 3):
        with threadpool_limits(threads):
            found.append(blend(matrix(2000, 600), 42).toarray())
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[1], found[2])
