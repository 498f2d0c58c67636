"""The matrix of readers and articles."""

from math import inf

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from include.articles.models.matrix import add_articles, aggregate_times, scale_matrix
from tests.include.articles.archive import RUN_AT

RUN_DATE = RUN_AT.date()
ROWS = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from(["1", "2", "10"]), st.integers(0, 27), st.integers(1, 10**6)),
    min_size=1,
    max_size=25,
    unique_by=lambda row: row[:3],
)


def interactions(rows):
    """Build interactions of (reader, article, days ago, ms)."""
    found = pd.DataFrame(list(rows), columns=["client_id", "external_id", "ago", "ms"])
    return pd.DataFrame(
        {
            "client_id": found["client_id"].astype("str"),
            "external_id": found["external_id"].astype("str"),
            "session_date": pd.Timestamp(RUN_DATE) - pd.to_timedelta(found["ago"].astype(int), unit="D"),
            "dwell_seconds": found["ms"].astype(float) / 1000,
        }
    )


def test_ids_are_in_the_order_of_text():
    rows = [("v", "2", 0, 1000), ("u10", "10", 0, 1000), ("u9", "B", 0, 1000), ("u9", "a", 0, 1000)]
    readers, articles, _ = aggregate_times(interactions(rows), RUN_DATE, inf)
    assert readers.tolist() == ["u10", "u9", "v"]
    assert articles.tolist() == ["10", "2", "B", "a"]


def test_dwell_halves_with_each_half_life():
    rows = [("u", "1", 0, 1000), ("u", "1", 5, 1000), ("u", "1", 10, 1000)]
    assert aggregate_times(interactions(rows), RUN_DATE, 5)[2].toarray().tolist() == [[1.75]]


def test_only_values_above_zero_are_stored():
    rows = [("u", "1", 2000, 1), ("u", "2", 0, 1000), ("v", "1", 0, 1000)]  # the first decays below the least float
    readers, articles, seconds = aggregate_times(interactions(rows), RUN_DATE, 1)
    assert seconds.nnz == 2
    assert (readers.tolist(), articles.tolist()) == (["u", "v"], ["1", "2"])
    scaled = scale_matrix(seconds)
    assert scaled.toarray().tolist() == [[0, 1], [1, 0]]


@settings(max_examples=50)
@given(ROWS, st.data(), st.sampled_from([0.5, 59.631698, inf]))
def test_the_sum_over_dates_in_any_order(rows, data, half_life):
    readers, articles, seconds = aggregate_times(interactions(rows), RUN_DATE, half_life)
    expected: dict = {}
    for reader, article, ago, ms in rows:
        expected[reader, article] = expected.get((reader, article), 0) + ms / 1000 * 0.5 ** (ago / half_life)
    assert readers.tolist() == sorted({row[0] for row in rows})
    assert articles.tolist() == sorted({row[1] for row in rows})
    for row, reader in enumerate(readers):
        for column, article in enumerate(articles):
            assert seconds[row, column] == pytest.approx(expected.get((reader, article), 0))
    shuffled = interactions(data.draw(st.permutations(rows)))
    for given_rows in (shuffled, shuffled.astype({"client_id": "category", "external_id": "category"})):
        again = aggregate_times(given_rows, RUN_DATE, half_life)[2]
        assert np.array_equal(again.toarray(), seconds.toarray())  # to the last bit
    scaled = scale_matrix(seconds)
    assert ((scaled.data > 0) & (scaled.data <= 1)).all()
    assert scaled.max(axis=0).toarray().ravel().tolist() == [1.0] * len(articles)


def test_the_least_reader_of_an_article_that_all_have_read_keeps_a_value():
    scaled = scale_matrix(sparse.csr_matrix(np.array([[10.0, 5.0], [100.0, 0.0], [1000.0, 0.0]])))
    assert scaled.toarray()[0] == pytest.approx([np.log(11) / np.log(1001), 1])
    assert scaled.nnz == 4


def test_scaling_leaves_what_it_is_given():
    seconds = sparse.csr_matrix(np.array([[10.0], [100.0]]))
    scale_matrix(seconds)
    assert seconds.toarray().tolist() == [[10], [100]]


def test_no_values_scale_to_none():
    for shape in ((0, 0), (0, 3), (2, 3)):
        assert scale_matrix(sparse.csr_matrix(shape)).toarray().tolist() == np.zeros(shape).tolist()


def test_articles_without_dwell_have_empty_columns():
    ids, found = add_articles(np.array(["1", "3"]), sparse.csr_matrix([[5.0, 7.0]]), np.array(["2", "3", "4"]))
    assert ids.tolist() == ["1", "2", "3", "4"]
    assert found.toarray().tolist() == [[5, 0, 7, 0]]
