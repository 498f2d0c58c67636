"""How far a task has come, for people who watch it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Progress of the label stage of a task."""

    batches: int
    done: int
    """Batches whose rows are all written."""
    received: int
    """Posts of these batches."""
    posts_per_second: float | None = None
    """`None`: no batch is done."""
    seconds_left: float | None = None
    """Estimated from the batches that are done; `None`: not known, or nothing is left."""

    @property
    def percent(self) -> float:
        """Share of the batches that are done, 0 to 100."""
        return 100 * self.done / self.batches if self.batches else 0.0


def progress_of(rows: Sequence[Any], now: float) -> Progress:
    """
    Return the progress of a task.

    Args:
        rows: its rows of the table `label_progress`.
        now: seconds since 1970.
    """
    done = [row for row in rows if row.check_point is None]
    received = sum(row.received for row in done)
    began = min((row.began for row in rows if row.began is not None), default=None)
    if not done or began is None:
        return Progress(len(rows), len(done), received)
    ended = max(row.wrote or began for row in done)
    elapsed = max((ended if len(done) == len(rows) else now) - began, 0.001)
    left = elapsed * (len(rows) - len(done)) / len(done) if len(done) < len(rows) else None
    return Progress(len(rows), len(done), received, received / elapsed, left)
