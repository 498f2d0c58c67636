"""Training data: base data and submitted ratings in their canonical order.

The order matters: stochastic gradient descent gives other numbers for another order.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from surprise import Dataset, Reader
from surprise.trainset import Trainset

from include.core.errors import BadDataError
from include.ratings.data.rows import MAX_STARS, MIN_STARS, Rating

FOLDS = 5


def canonical(base: Iterable[Rating], submitted: Iterable[Rating]) -> list[Rating]:
    """
    Return the ratings in their canonical order: base in file order, then submitted ones in the order given.

    If a (user, movie) was rated again, the last rating wins and keeps its own, later place.
    """
    rows: dict[tuple[str, str], Rating] = {}
    for part in (base, submitted):
        for row in part:
            key = (row.user, row.movie)
            rows.pop(key, None)
            rows[key] = row
    return list(rows.values())


def fingerprint(rows: Iterable[Rating]) -> str:
    """Return the sha256 over the rows in their order, as lines `user movie rating timestamp`."""
    text = "".join(f"{user} {movie} {stars!r} {timestamp}\n" for user, movie, stars, timestamp in rows)
    return hashlib.sha256(text.encode()).hexdigest()


class RatingDataset(Dataset):
    """Ratings in the form that Surprise expects: `raw_ratings` of (user, movie, stars, None), scale 1 to 5."""

    def __init__(self, rows: Sequence[Rating]) -> None:
        """
        Wrap *rows*.

        Raises:
            BadDataError: there is no row; Surprise would train without an error and predict 5 for everything.
        """
        if not rows:
            raise BadDataError("at least one rating was expected to train on, found none")
        super().__init__(Reader(rating_scale=(MIN_STARS, MAX_STARS)))
        self.raw_ratings = [(user, movie, stars, None) for user, movie, stars, _ in rows]

    def full_trainset(self) -> Trainset:
        """Build the trainset of all rows, inner ids in the order of first appearance."""
        return self.construct_trainset(self.raw_ratings)


def holdout(base: Sequence[Rating], seed: int = 0) -> list[Rating]:
    """
    Return the fixed rows that models are compared on: fold 0 of five of the *base* data.

    Fold 0 is the first of five consecutive blocks of the indices shuffled by `RandomState(seed)`, as in Surprise's
    `KFold`.
    """
    order = np.arange(len(base))
    np.random.RandomState(seed).shuffle(order)
    size = len(base) // FOLDS + (len(base) % FOLDS > 0)
    return [base[index] for index in order[:size]]


def without_pairs(rows: Iterable[Rating], pairs: Iterable[Rating]) -> list[Rating]:
    """Return the rows whose (user, movie) is not among *pairs*."""
    excluded = {(row.user, row.movie) for row in pairs}
    return [row for row in rows if (row.user, row.movie) not in excluded]
