"""Windows of a time range: the unit of cleaning, of checkpoints and of all counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

Stretch = tuple[int, int]
"""Numbers of the first and last of consecutive windows."""


@dataclass(frozen=True)
class Span:
    """A time span, `first <= t < last`, or `<= last` if closed."""

    first: datetime
    last: datetime
    closed: bool = False


@dataclass(frozen=True)
class Windows:
    """
    A time range cut into windows of equal length; the last one ends with the range and includes its end.

    Attributes:
        start: start of the range.
        end: end of the range, inclusive; later than `start`.
        hours: length of a window.
    """

    start: datetime
    end: datetime
    hours: int

    def __len__(self) -> int:
        """Return the number of windows, `max(1, ceil((end - start) / length))`."""
        return max(1, -((self.start - self.end) // self._length))

    @property
    def _length(self) -> timedelta:
        return timedelta(hours=self.hours)

    def begin(self, number: int) -> datetime:
        """Return the start of a window; numbers begin at 0."""
        return self.start + number * self._length

    def span(self, stretch: Stretch) -> Span:
        """Return the time span of consecutive windows."""
        first, last = stretch
        if last >= len(self) - 1:
            return Span(self.begin(first), self.end, closed=True)
        return Span(self.begin(first), self.begin(last + 1))

    def numbers(self, times: np.ndarray) -> np.ndarray:
        """
        Return the number of the window that contains each time.

        Args:
            times: times within the range, datetime64[s], shape (n,).

        Returns:
            Window numbers, int64, shape (n,).
        """
        seconds = (times - np.datetime64(self.start, "s")).astype(np.int64)
        return np.minimum(seconds // (self.hours * 3600), len(self) - 1)


def stretches(windows: Stretch, rows: Mapping[int, int], limit: int) -> Iterator[Stretch]:
    """
    Yield stretches of consecutive windows; a stretch ends with the window in which it reaches *limit* rows.

    Args:
        windows: first and last window.
        rows: number of rows per window, without the empty ones; an empty window counts as one row.
        limit: rows of a stretch, 1 or more.
    """
    begin, weight = windows[0], 0
    for number in range(windows[0], windows[1] + 1):
        weight += max(1, rows.get(number, 0))
        if weight >= limit or number == windows[1]:
            yield begin, number
            begin, weight = number + 1, 0


def batches(count: int, rows: Mapping[int, int], limit: int, max_batches: int) -> list[Stretch]:
    """
    Cut all windows into batches of about *limit* rows, or of more rows if that makes more than *max_batches*.

    Args:
        count: number of windows.
        rows: number of rows per window, without the empty ones.
        limit: rows of a batch, 1 or more; with 1 every window is a batch.
        max_batches: maximum number of batches, 1 or more.
    """
    if count > max_batches:
        total = count - len(rows) + sum(rows.values())
        limit = max(limit, -(-total // max_batches))
    return list(stretches((0, count - 1), rows, limit))
