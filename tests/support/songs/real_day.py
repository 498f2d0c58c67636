"""The real day, 2019-02-08, and the checksums of its outputs."""

import hashlib
import os
from pathlib import Path

_FOLDER = Path(os.environ.get("QUARTET_REAL_DATA", "")) / "song_plays"
REAL_FILES = _FOLDER / "spins-2019-02-08.snappy.parquet", _FOLDER / "listeners.snappy.parquet"
"""Spins and listeners."""
DATASET_DIGESTS = {
    "America/New_York": "210bde5a97dfa3e7d30b7a658a5efd5aa41bfe331c3e7116b72c6c11ea1127af",
    "UTC": "ac2818f5b3202a61e24f6374e42f0e1631e9c3c7a167b188f823ca802ad884a4",
}
"""Reporting zone → checksum of the sorted lines of the dataset."""
COUNTS_DIGEST = "b983295d3a23828cd2d12453f6d1e810013d9625fb157a914b32cb4d9d30f3eb"
"""Of the lines of the counts."""


def digest(lines: list[str]) -> str:
    """Return the checksum of lines in the order of their bytes."""
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines, key=str.encode)).encode()).hexdigest()
