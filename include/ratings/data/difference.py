"""Difference between two versions of the training table, computed by column: no row becomes a Python object."""

from dataclasses import dataclass

import pyarrow.compute as pc

from include.ratings.data.ledger import Ledger

PAIR = ["user", "movie"]


@dataclass(frozen=True)
class Difference:
    """Changes from the version *older* to the version *newer*."""

    older: int
    newer: int
    files_added: list[str]
    files_removed: list[str]
    rows_added: int
    rows_replaced: int
    """How many of the added rows have a user and movie that the older version has a submitted rating of."""
    rows_removed: int


def difference(ledger: Ledger, older: int, newer: int) -> Difference:
    """
    Compare two versions of the *ledger*, file by file and row by row.

    Raises:
        UnknownVersionError: one of them does not exist.
    """
    before, after = (_rows_by_file(ledger, version) for version in (older, newer))
    added, removed = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    return Difference(
        older=older,
        newer=newer,
        files_added=added,
        files_removed=removed,
        rows_added=sum(after[file] for file in added),
        rows_replaced=_rows_replaced(ledger, older, newer, added) if added and before else 0,
        rows_removed=sum(before[file] for file in removed),
    )


def _rows_by_file(ledger: Ledger, version: int) -> dict[str, int]:
    counts = ledger.read(version, ["file"]).group_by("file").aggregate([([], "count_all")])
    return dict(zip(counts["file"].to_pylist(), counts["count_all"].to_pylist(), strict=True))


def _rows_replaced(ledger: Ledger, older: int, newer: int, added: list[str]) -> int:
    rows = ledger.read(newer, [*PAIR, "file"])
    pairs = rows.filter(pc.field("file").isin(added)).group_by(PAIR).aggregate([])
    return pairs.join(ledger.read(older, PAIR), PAIR, join_type="left semi").num_rows
