"""From labelled rows to one row an author and panel: votes, ties, the latest row."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

TiePolicy = Literal["drop", "keep"]
AUTHOR = ["group", "source_author"]
"""Whose votes are counted together: in a window and table, or in a table."""


def tally(rows: pd.DataFrame) -> pd.DataFrame:
    """
    Count the votes of each author for each panel and keep the latest of the rows.

    The latest has the greatest `create_time`, then the greatest `id`. Tallies may be tallied again: tallying parts and
    then the parts together gives the same as tallying all at once.

    Args:
        rows: columns `group` (int: votes are counted within it), `source_author`, `panel`, `create_time`, `id`,
            `votes` (int); further columns stay with their row.

    Returns:
        A row for each group, author and panel, ascending by `create_time`, `id`; `votes` is their sum.
    """
    ordered = rows.sort_values(["create_time", "id"], kind="stable")
    voter = _numbers(ordered, [*AUTHOR, "panel"])
    votes = np.bincount(voter, weights=ordered["votes"]).astype(np.int64)
    latest = ~pd.Series(voter).duplicated(keep="last").to_numpy()
    return ordered.loc[latest].assign(votes=votes[voter[latest]])


def settle(tallied: pd.DataFrame, ties: TiePolicy) -> pd.DataFrame:
    """
    Keep the panel with the most votes of each author.

    Args:
        tallied: what `tally` gave.
        ties: an author with two panels at the top is dropped, or kept in each.

    Returns:
        The rows that are left, in their order.
    """
    author = _numbers(tallied, AUTHOR)
    top = tallied["votes"].groupby(author).transform("max")
    winners = tallied["votes"] == top
    if ties == "drop":
        winners &= np.bincount(author, weights=winners)[author] == 1
    return tallied.loc[winners]


class Ballot:
    """Tallies rows that come in parts; what it holds grows with the number of authors, not of rows."""

    def __init__(self, fold: int = 20_000) -> None:
        """Fold the parts into one when they have more than *fold* rows."""
        self._fold = fold
        self._parts: list[pd.DataFrame] = []
        self._loose = 0

    def add(self, rows: pd.DataFrame) -> None:
        """Count a part; columns as in `tally`."""
        if rows.empty:
            return
        self._parts.append(tally(rows))
        self._loose += len(self._parts[-1])
        if self._loose > self._fold and len(self._parts) > 1:
            self._parts = [_together(self._parts)]
            self._loose = 0

    def settle(self, ties: TiePolicy) -> pd.DataFrame | None:
        """Give the rows that are left, ascending by `create_time`, `id`; `None`: there was no row."""
        return settle(_together(self._parts), ties) if self._parts else None


def _together(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return tally(pd.concat(parts, ignore_index=True)) if len(parts) > 1 else parts[0]


def _numbers(rows: pd.DataFrame, key: list[str]) -> np.ndarray:
    """Number the groups of rows that are equal in *key*: the number of each row's group, shape (n,)."""
    return rows.groupby(key, sort=False).ngroup().to_numpy()
