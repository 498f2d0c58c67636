"""
Distinct authors, counted across batches by 64-bit hashes that are kept in storage.

A hash takes 8 bytes, however long the name. The probability that two of n names share a hash is about n² / 2⁶⁵: one in
ten million for 1.7 million authors.
"""

import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from include.core.storage import StoragePath, read_bytes, write_whole

MAX_UNSORTED = 500_000
"""Number of hashes that are collected before duplicates are removed."""


class AuthorHashes:
    """Distinct hashes per table, uint64; memory grows with the number of authors, not of posts."""

    def __init__(self) -> None:
        self._parts: defaultdict[int, list[np.ndarray]] = defaultdict(list)
        self._unsorted = 0

    def add(self, table: int, hashes: np.ndarray) -> None:
        """Add the authors of a part as hashes, shape (n,)."""
        self._parts[table].append(hashes)
        self._unsorted += len(hashes)
        if self._unsorted > MAX_UNSORTED:
            self.distinct()

    def add_sources(self, tables_of: Sequence[tuple[int, ...]], hashes: np.ndarray, source_of: np.ndarray) -> None:
        """
        Add authors to all tables of their sources.

        Args:
            tables_of: tables of each source.
            hashes: the authors, shape (n,).
            source_of: index of the source of each author, shape (n,).
        """
        by_table: dict[int, list[int]] = {}
        for source, tables in enumerate(tables_of):
            for table in tables:
                by_table.setdefault(table, []).append(source)
        for table, sources in by_table.items():
            self.add(table, hashes[np.isin(source_of, sources)])

    def update(self, other: "AuthorHashes") -> None:
        """Add the authors of another part."""
        for table, hashes in other.distinct().items():
            self.add(table, hashes)

    def distinct(self) -> dict[int, np.ndarray]:
        """Return table number → ascending distinct hashes."""
        found = {table: np.unique(np.concatenate(parts)) for table, parts in self._parts.items()}
        for table, hashes in found.items():
            self._parts[table] = [hashes]
        self._unsorted = 0
        return found


def save(file: StoragePath, hashes: AuthorHashes) -> None:
    """Write the hashes of a batch; those of an earlier attempt are replaced."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {str(table): values for table, values in hashes.distinct().items()}
    np.savez(buffer, **arrays)
    write_whole(file, buffer.getvalue())


def count(files: Iterable[StoragePath]) -> dict[int, int]:
    """Return table number → number of distinct authors in all *files* together."""
    known = AuthorHashes()
    for file in files:
        with np.load(io.BytesIO(read_bytes(file))) as arrays:
            for table in arrays.files:
                known.add(int(table), arrays[table])
    return {table: len(hashes) for table, hashes in known.distinct().items()}
