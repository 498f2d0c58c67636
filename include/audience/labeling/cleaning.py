"""Cleaning of labelled rows: one row per author and panel, chosen by votes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from include.audience.settings import TiePolicy

AUTHOR = ["group", "source_author"]
"""Key of an author whose votes are counted together: within a window and table, or within a table."""


def tally(rows: pd.DataFrame) -> pd.DataFrame:
    """
    Count the votes of each author for each panel and keep the latest row.

    The latest row has the greatest `create_time`, then the greatest `id`. Tallies can be tallied again: a tally of
    tallied parts equals a tally of all rows.

    Args:
        rows: columns `group` (int; votes are counted within a group), `source_author`, `panel`, `create_time`, `id`,
            `votes` (int); other columns stay with their row.

    Returns:
        One row per group, author and panel, ascending by `create_time`, `id`; `votes` is the sum.
    """
    ordered = rows.sort_values(["create_time", "id"], kind="stable")
    voter = _numbers(ordered, [*AUTHOR, "panel"])
    votes = np.bincount(voter, weights=ordered["votes"]).astype(np.int64)
    latest = ~pd.Series(voter).duplicated(keep="last").to_numpy()
    return ordered.loc[latest].assign(votes=votes[voter[latest]])


def settle(tallied: pd.DataFrame, ties: TiePolicy) -> pd.DataFrame:
    """
    Keep each author's panel with the most votes.

    Args:
        tallied: the result of `tally`.
        ties: whether an author whose top panels tie is dropped, or kept in each of them.

    Returns:
        The remaining rows, in the same order.
    """
    author = _numbers(tallied, AUTHOR)
    top = tallied["votes"].groupby(author).transform("max")
    winners = tallied["votes"] == top
    if ties == "drop":
        winners &= np.bincount(author, weights=winners)[author] == 1
    return tallied.loc[winners]


class Ballot:
    """Tallies rows that arrive in parts; memory grows with the number of authors, not of rows."""

    def __init__(self, max_rows: int = 20_000) -> None:
        """Merge the parts when they have more than *max_rows* rows."""
        self._max_rows = max_rows
        self._parts: list[pd.DataFrame] = []
        self._rows = 0

    def add(self, rows: pd.DataFrame) -> None:
        """Add a part, with the columns of `tally`."""
        if rows.empty:
            return
        self._parts.append(tally(rows))
        self._rows += len(self._parts[-1])
        if self._rows > self._max_rows and len(self._parts) > 1:
            self._parts = [_merged(self._parts)]
            self._rows = 0

    def settle(self, ties: TiePolicy) -> pd.DataFrame | None:
        """Return the remaining rows, ascending by `create_time`, `id`; `None` if no row was added."""
        return settle(_merged(self._parts), ties) if self._parts else None


def _merged(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return tally(pd.concat(parts, ignore_index=True)) if len(parts) > 1 else parts[0]


def _numbers(rows: pd.DataFrame, key: list[str]) -> np.ndarray:
    """Number the distinct values of *key*; return the number for each row, shape (n,)."""
    return rows.groupby(key, sort=False).ngroup().to_numpy()
