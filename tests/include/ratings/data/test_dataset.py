"""The canonical order of the training data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surprise.model_selection import KFold

from include.core.errors import BadDataError
from include.ratings.data.dataset import RatingDataset, canonical, fingerprint, holdout, without_pairs
from include.ratings.data.rows import Rating


def rating(user: int, movie: int, stars: float = 3.0, timestamp: int = 0) -> Rating:
    return Rating(str(user), str(movie), stars, timestamp)


RATINGS = st.lists(st.builds(rating, st.integers(1, 5), st.integers(1, 5), st.sampled_from([1.0, 3.5, 5.0])))


def test_the_last_rating_of_a_pair_wins_and_keeps_its_later_place():
    base = [rating(1, 1, 5.0), rating(1, 2)]
    assert canonical(base, [rating(2, 2), rating(1, 1, 1.0)]) == [rating(1, 2), rating(2, 2), rating(1, 1, 1.0)]


@given(RATINGS, RATINGS)
def test_each_pair_is_there_once_with_its_last_rating(base, submitted):
    rows = canonical(base, submitted)
    assert {(row.user, row.movie): row for row in [*base, *submitted]} == {(row.user, row.movie): row for row in rows}
    assert len({(row.user, row.movie) for row in rows}) == len(rows)


@given(RATINGS)
def test_the_fingerprint_depends_on_order_and_content(rows):
    assert fingerprint(rows) == fingerprint(list(rows))
    if len(rows) > 1 and rows[0] != rows[-1]:
        assert fingerprint(rows) != fingerprint([rows[-1], *rows[1:-1], rows[0]])
    assert fingerprint(rows) != fingerprint([*rows, rating(1, 1)])


def test_no_rows_are_refused():
    with pytest.raises(BadDataError, match="at least one rating"):
        RatingDataset([])


@pytest.mark.parametrize("size", [5, 23, 100])
def test_the_holdout_is_fold_0_of_five(size):
    base = [rating(number, number) for number in range(size)]
    _, test = next(KFold(5, random_state=0).split(RatingDataset(base)))
    assert [row.user for row in holdout(base)] == [user for user, _, _ in test]


def test_held_out_pairs_are_left_out_also_when_rated_again():
    rows = [rating(1, 1), rating(2, 2, 4.0), rating(3, 3)]
    assert without_pairs(rows, [rating(2, 2)]) == [rating(1, 1), rating(3, 3)]


def test_ids_are_text():
    trainset = RatingDataset([rating(233, 346)]).full_trainset()
    assert trainset.knows_user(trainset.to_inner_uid("233"))
    with pytest.raises(ValueError, match="233"):
        trainset.to_inner_uid(233)
    assert np.isclose(trainset.global_mean, 3.0)
