"""Distinct authors, counted over batches by 64-bit hashes that lie in storage.

A hash takes 8 bytes whatever the name, and two of n names share one with a probability of about n² / 2⁶⁵: one in ten
million for 1.7 million authors.
"""

import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from include.core.objects import StoragePath, read_bytes, write_whole


def save(folder: StoragePath, batch: int, hashes: Mapping[int, np.ndarray]) -> None:
    """
    Store the hashes of a batch; an earlier try of the batch is replaced.

    Args:
        folder: the task's folder.
        batch: number of the batch.
        hashes: table number → distinct hashes, uint64, shape (n,).
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {str(table): values for table, values in hashes.items()}
    np.savez(buffer, **arrays)
    write_whole(_path(folder, batch), buffer.getvalue())


def count(folder: StoragePath, batches: Iterable[int]) -> dict[int, int]:
    """Give table number → distinct authors of all *batches* together."""
    known: dict[int, np.ndarray] = {}
    for batch in batches:
        with np.load(io.BytesIO(read_bytes(_path(folder, batch)))) as arrays:
            for table in arrays.files:
                values = arrays[table]
                before = known.get(int(table))
                known[int(table)] = values if before is None else np.union1d(before, values)
    return {table: len(values) for table, values in known.items()}


def _path(folder: StoragePath, batch: int) -> StoragePath:
    return folder / "authors" / f"{batch}.npz"
