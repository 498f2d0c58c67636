"""Difference between two versions of the training table."""

from dataclasses import dataclass

from include.ratings.data.ledger import Ledger


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
    before, after = (ledger.read(version, ["user", "movie", "file", "line"]).to_pylist() for version in (older, newer))
    files_before, files_after = ({row["file"] for row in rows} for rows in (before, after))
    added = [row for row in after if row["file"] not in files_before]
    known = {(row["user"], row["movie"]) for row in before}
    return Difference(
        older=older,
        newer=newer,
        files_added=sorted(files_after - files_before),
        files_removed=sorted(files_before - files_after),
        rows_added=len(added),
        rows_replaced=len({(row["user"], row["movie"]) for row in added} & known),
        rows_removed=sum(row["file"] not in files_after for row in before),
    )
