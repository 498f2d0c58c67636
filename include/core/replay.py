"""
Replay: a run's work is done again from its pinned inputs, aside, and compared with what the run has kept.

The comparison is of canonical rows, so another order of rows that the output does not define is no difference.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import zip_longest
from typing import Any


class Verdict(StrEnum):
    """Result of a replay."""

    GOOD = "GOOD"
    """The same came out."""
    BAD = "BAD"
    """Something else came out, or what was kept has been changed."""
    UNKNOWN = "UNKNOWN"
    """It cannot be done again, because something that the run has used is gone."""


class InputGoneError(Exception):
    """Something that a run has used is no longer there, or no longer what it was."""


@dataclass(frozen=True)
class Difference:
    """First difference between what a run has kept and what its replay has made."""

    output: str
    """Where it is."""
    kept: str | None
    """The row that was kept; `None`: only the replay has it."""
    made: str | None
    """The row that the replay has made; `None`: only the run has it."""
    byte: int
    """Where both rows begin to differ, from 0."""


@dataclass(frozen=True)
class Replay:
    """Result of the replay of a run."""

    run: str | None
    verdict: Verdict
    when: str
    """ISO 8601."""
    reason: str = ""
    """Which input is gone, or what differs."""
    difference: Difference | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the result in types of JSON."""
        return asdict(self)


def seal(record: Mapping[str, Any]) -> str:
    """Return the checksum of a record."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def difference(output: str, kept: bytes | None, made: bytes | None) -> Difference:
    """Describe two rows that differ."""
    pairs = zip(kept or b"", made or b"", strict=False)
    least = min(len(kept or b""), len(made or b""))
    byte = next((index for index, (one, other) in enumerate(pairs) if one != other), least)
    return Difference(output, _text(kept), _text(made), byte)


def compare(output: str, kept: Iterable[bytes], made: Iterable[bytes]) -> Difference | None:
    """
    Compare rows whose order does not matter; `None`: they are the same, each as often.

    Both sides are kept in memory only while they differ: rows that both have cancel each other out.

    Returns:
        The first row that only one side has, in the order of bytes, beside the first one that only the other has.
    """
    balance: Counter[bytes] = Counter()
    for one, other in zip_longest(kept, made):
        for row, change in ((one, 1), (other, -1)):
            if row is not None:
                balance[row] += change
                if not balance[row]:
                    del balance[row]
    only_kept = min((row for row, count in balance.items() if count > 0), default=None)
    only_made = min((row for row, count in balance.items() if count < 0), default=None)
    if only_kept is None and only_made is None:
        return None
    return difference(output, only_kept, only_made)


def _text(row: bytes | None) -> str | None:
    return None if row is None else row.decode(errors="backslashreplace")
