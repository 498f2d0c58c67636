"""From vectors to lists."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from include.articles.models import ranking
from include.articles.models.ranking import rank_recommendations
from include.articles.models.vectors import Scores

VECTORS = st.integers(0, 8).flatmap(
    lambda n: st.lists(
        st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=n, max_size=n
    )  # small numbers, so that many similarities are equal
)


def lists(found):
    by_source: dict = {}
    for row in found.to_dict("records"):
        by_source.setdefault(row["source"], []).append((row["target"], row["score"]))
    return by_source


def naive(vectors, ids, weights, max_recs):
    """Compare each article with each."""
    found = {}
    for source, own in zip(ids, vectors, strict=True):
        ranked = []
        for target, other, weight in zip(ids, vectors, weights, strict=True):
            lengths = np.sqrt(np.dot(own, own)) * np.sqrt(np.dot(other, other))
            similarity = round(float(np.dot(own, other) / lengths), 12) if lengths else 0.0
            if target != source:
                ranked.append((-similarity * weight, target))
        found[source] = [(target, round(min(max(-value, 0), 1), 6)) for value, target in sorted(ranked)[:max_recs]]
    return {source: targets for source, targets in found.items() if targets}


@given(VECTORS, st.integers(1, 9), st.integers(1, 9), st.data())
def test_lists_are_those_of_comparing_each_with_each(vectors, max_recs, block_rows, data):
    ids = data.draw(st.permutations(["1", "10", "100", "2", "20", "a", "B", "é"]))[: len(vectors)]
    weights = data.draw(st.lists(st.sampled_from([1, 0.5, 0.25, 0.0]), min_size=len(ids), max_size=len(ids)))
    expected = naive(vectors, ids, weights, max_recs)
    dense = np.array(vectors, dtype=float).reshape(-1, 3)
    wide = np.hstack([dense, np.zeros((len(ids), 5))])  # columns that few have
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "BLOCK_ROWS", block_rows)
        for given_vectors in (dense, sparse.csr_matrix(wide), sparse.csr_matrix(wide * 1e-160), dense * 1e-200):
            found = rank_recommendations(given_vectors, ids, weights, max_recs)
            assert lists(found) == expected
            assert found["source"].tolist() == [source for source in sorted(expected) for _ in expected[source]]
    assert len(found) == len(ids) * min(max_recs, max(len(ids) - 1, 0))


@pytest.mark.parametrize("articles", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_few_articles(articles, kind):
    found = rank_recommendations(kind(np.eye(articles, 4)), list("abc")[:articles], [1.0] * articles, 20)
    assert len(found) == articles * max(articles - 1, 0)
    assert list(found.columns) == ["source", "rank", "target", "score"]
    assert not (found["source"] == found["target"]).any()


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 60), st.integers(1, 30), st.integers(0, 99), st.sampled_from([1, 7, 2000]))
def test_each_list_is_full_without_its_source_and_in_order(articles, max_recs, seed, block_rows):
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((articles, 40)) * (random.random((articles, 40)) < random.random(40))
    ids, weights = [str(number) for number in random.permutation(articles)], random.random(articles)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "BLOCK_ROWS", block_rows)
        patch.setattr(ranking, "BLOCK_CELLS", 3 * articles)
        found = rank_recommendations(vectors, ids, weights, max_recs)
        again = rank_recommendations(sparse.csr_matrix(vectors), ids, weights, max_recs)
    length = min(max_recs, articles - 1)
    assert found["source"].tolist() == [source for source in sorted(ids) for _ in range(length)]
    assert found["rank"].tolist() == list(range(1, length + 1)) * articles
    assert not (found["source"] == found["target"]).any()
    assert not found.duplicated(["source", "target"]).any()
    assert found["score"].between(0, 1).all()
    assert (found.groupby("source")["score"].diff().dropna() <= 0).all()
    assert found[["source", "target", "rank"]].equals(again[["source", "target", "rank"]])
    assert again["score"].tolist() == pytest.approx(found["score"].tolist(), abs=1e-6)
    order = random.permutation(articles)
    other = rank_recommendations(vectors[order], [ids[number] for number in order], weights[order], max_recs)
    assert other.equals(found)


def test_vectors_of_any_length_have_a_direction():
    vectors = np.array([[1e-300, 0], [1e200, 1e200], [5e-324, 0], [0, 0]])
    found = lists(rank_recommendations(vectors, list("abcd"), np.ones(4), 3))
    assert found["a"] == [("c", 1.0), ("b", 0.707107), ("d", 0.0)]


def test_ids_are_text():
    found = rank_recommendations(np.eye(3), [10, 9, 100], np.ones(3), 2)
    assert found["source"].tolist() == ["10", "10", "100", "100", "9", "9"]
    assert found["target"].tolist() == ["100", "9", "10", "9", "10", "100"]


def test_an_article_without_weight_is_an_error():
    with pytest.raises(ValueError, match="article b"):
        rank_recommendations(np.eye(2), ["a", "b"], [1, np.nan], 1)


@given(st.integers(1, 8), st.integers(0, 99), st.integers(1, 9), st.sampled_from([1, 3, 2000]))
def test_scores_take_the_place_of_cosines(articles, seed, max_recs, block_rows):
    random = np.random.default_rng(seed)
    sources, targets = (random.integers(0, 3, (articles, 4)) / 10 for _ in range(2))
    ids, weights = [str(number) for number in random.permutation(articles)], random.random(articles)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "BLOCK_ROWS", block_rows)
        scores = Scores(sparse.csr_matrix(sources), sparse.csr_matrix(targets))
        found = lists(rank_recommendations(scores, ids, weights, max_recs))
    for source, own in zip(ids, sources, strict=True):
        values = {target: round(float(own @ other), 12) for target, other in zip(ids, targets, strict=True)}
        weighted = {target: values[target] * weight for target, weight in zip(ids, weights, strict=True)}
        expected = sorted((target for target in ids if target != source), key=lambda each: (-weighted[each], each))
        expected = [(target, pytest.approx(weighted[target], abs=1e-6)) for target in expected[:max_recs]]
        assert found.get(source, []) == expected
