"""Panels of authors as numbers: the rules of `labeling/cleaning.py` for rows whose texts are not needed."""

import numpy as np
import pandas as pd

from include.audience.settings import TiePolicy

Votes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Group (int64), hash of the author (uint64) and panel (int16) of each vote; shape (n,) each."""
NO_VOTES: Votes = (np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.int16))


def winners(votes: Votes, ties: TiePolicy) -> Votes:
    """
    Return the panels with the most votes of each author in each group, once each.

    Args:
        votes: the votes, in any order.
        ties: whether an author whose top panels tie is dropped, or kept in each of them.
    """
    rows = pd.DataFrame(dict(zip(("group", "author", "panel"), votes, strict=True)))
    counted = rows.groupby(["group", "author", "panel"], sort=False).size().rename("votes").reset_index()
    by_author = counted.groupby(["group", "author"], sort=False)["votes"]
    top = counted.loc[counted["votes"] == by_author.transform("max")]
    if ties == "drop":
        top = top.loc[~top.duplicated(["group", "author"], keep=False)]
    return tuple(top[name].to_numpy() for name in ("group", "author", "panel"))  # pyright: ignore[reportReturnType]


def joined(parts: list[Votes]) -> Votes:
    """Return the votes of several parts."""
    return tuple(map(np.concatenate, zip(NO_VOTES, *parts, strict=True)))  # pyright: ignore[reportReturnType]
