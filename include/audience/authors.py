"""Distinct authors, counted over batches by 64-bit hashes that lie in storage.

A hash takes 8 bytes whatever the name, and two of n names share one with a probability of about n² / 2⁶⁵: one in ten
million for 1.7 million authors.
"""

import io
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from include.core.storage import StoragePath, read_bytes, write_whole

LOOSE = 500_000
"""So many hashes are gathered before they are sorted into the distinct ones."""


class AuthorHashes:
    """Distinct hashes a table, uint64; what is held grows with the number of authors, not of posts."""

    def __init__(self) -> None:
        self._parts: defaultdict[int, list[np.ndarray]] = defaultdict(list)
        self._loose = 0

    def add(self, table: int, hashes: np.ndarray) -> None:
        """Count the authors of a part, given by their hashes; shape (n,)."""
        self._parts[table].append(hashes)
        self._loose += len(hashes)
        if self._loose > LOOSE:
            self.distinct()

    def update(self, other: "AuthorHashes") -> None:
        """Count those of another part."""
        for table, hashes in other.distinct().items():
            self.add(table, hashes)

    def distinct(self) -> dict[int, np.ndarray]:
        """Give table number → ascending distinct hashes."""
        found = {table: np.unique(np.concatenate(parts)) for table, parts in self._parts.items()}
        for table, hashes in found.items():
            self._parts[table] = [hashes]
        self._loose = 0
        return found


def save(folder: StoragePath, batch: int, hashes: AuthorHashes) -> None:
    """
    Store the hashes of a batch; an earlier try of the batch is replaced.

    Args:
        folder: the task's folder.
        batch: number of the batch.
        hashes: what was counted.
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {str(table): values for table, values in hashes.distinct().items()}
    np.savez(buffer, **arrays)
    write_whole(_path(folder, batch), buffer.getvalue())


def count(folder: StoragePath, batches: Iterable[int]) -> dict[int, int]:
    """Give table number → distinct authors of all *batches* together."""
    known = AuthorHashes()
    for batch in batches:
        with np.load(io.BytesIO(read_bytes(_path(folder, batch)))) as arrays:
            for table in arrays.files:
                known.add(int(table), arrays[table])
    return {table: len(hashes) for table, hashes in known.distinct().items()}


def _path(folder: StoragePath, batch: int) -> StoragePath:
    return folder / "authors" / f"{batch}.npz"
