"""The windows of a range: the unit of cleaning, of checkpoints and of all figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

Stretch = tuple[int, int]
"""First and last window of consecutive ones."""


@dataclass(frozen=True)
class Span:
    """A stretch of time, `first <= t < last`; `<= last` when it is closed."""

    first: datetime
    last: datetime
    closed: bool = False


@dataclass(frozen=True)
class Windows:
    """
    A range cut into windows of equal length; the last one ends with the range and includes its end.

    Attributes:
        start: first moment.
        end: last moment, inclusive; later than `start`.
        hours: length of a window.
    """

    start: datetime
    end: datetime
    hours: int

    def __len__(self) -> int:
        """Count the windows: `max(1, ceil((end - start) / length))`."""
        return max(1, -((self.start - self.end) // self._length))

    @property
    def _length(self) -> timedelta:
        return timedelta(hours=self.hours)

    def begin(self, number: int) -> datetime:
        """Give the start of a window, from 0."""
        return self.start + number * self._length

    def span(self, stretch: Stretch) -> Span:
        """Give the time of consecutive windows."""
        first, last = stretch
        if last >= len(self) - 1:
            return Span(self.begin(first), self.end, closed=True)
        return Span(self.begin(first), self.begin(last + 1))

    def numbers(self, times: np.ndarray) -> np.ndarray:
        """
        Say in which window each moment lies.

        Args:
            times: moments within the range, datetime64[s], shape (n,).

        Returns:
            Window numbers, int64, shape (n,).
        """
        seconds = (times - np.datetime64(self.start, "s")).astype(np.int64)
        return np.minimum(seconds // (self.hours * 3600), len(self) - 1)


def stretches(windows: Stretch, rows: Mapping[int, int], limit: int) -> Iterator[Stretch]:
    """
    Cut consecutive windows into stretches: one ends with the window in which it reaches *limit* rows.

    Args:
        windows: first and last window.
        rows: rows of each window that has some; an empty window counts as a row.
        limit: rows of a stretch, at least 1.
    """
    begin, weight = windows[0], 0
    for number in range(windows[0], windows[1] + 1):
        weight += max(1, rows.get(number, 0))
        if weight >= limit or number == windows[1]:
            yield begin, number
            begin, weight = number + 1, 0


def batches(count: int, rows: Mapping[int, int], limit: int, most: int) -> list[Stretch]:
    """
    Cut all windows into at most *most* batches of about *limit* rows; of more rows where that gives too many.

    Args:
        count: number of windows.
        rows: rows of each window that has some.
        limit: rows of a batch, at least 1; with 1 each window is a batch.
        most: most batches, at least 1.
    """
    if count > most:
        total = count - len(rows) + sum(rows.values())
        limit = max(limit, -(-total // most))
    return list(stretches((0, count - 1), rows, limit))
