"""Random samples of the posts of each kind of change, the same however the posts are read."""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest

import numpy as np
from pandas.util import hash_array

from include.audience.preview.changes import Move
from include.audience.source.posts import Posts


@dataclass(frozen=True, order=True)
class Sampled:
    """A post of a sample."""

    draw: int
    """Hash of the id: the posts with the lowest ones are a random sample of all."""
    id: str
    s_id: str
    author: str
    text: str


class Samples:
    """Keeps up to *size* random posts of each kind of change; memory does not grow with the number of posts."""

    def __init__(self, size: int = 20) -> None:
        self._size = size
        self._kept: dict[Move, list[Sampled]] = {}

    def add(self, posts: Posts, rows: np.ndarray, before: np.ndarray, after: np.ndarray) -> None:
        """
        Add posts.

        Args:
            posts: posts of a part.
            rows: indexes of the labelled ones, shape (n,).
            before: their panels before, shape (n,).
            after: their panels after, shape (n,).
        """
        changed = np.flatnonzero(before != after)
        if not len(changed):
            return
        draws = hash_array(posts.ids[rows[changed]], categorize=False)  # pyright: ignore[reportCallIssue]
        columns = posts.ids, posts.s_ids, posts.authors, posts.texts
        pairs = np.stack([before[changed], after[changed]])
        for move in np.unique(pairs, axis=1).T.tolist():
            own = np.flatnonzero((pairs[0] == move[0]) & (pairs[1] == move[1]))
            lowest = own[np.argsort(draws[own], kind="stable")[: self._size]]
            found = [
                Sampled(int(draws[each]), *(str(column[row]) for column in columns))
                for each, row in zip(lowest.tolist(), rows[changed[lowest]].tolist(), strict=True)
            ]
            key = (move[0], move[1])
            self._kept[key] = nsmallest(self._size, [*self._kept.get(key, []), *found])

    def __iter__(self) -> Iterator[tuple[Move, list[Sampled]]]:
        """Yield each kind of change, in order, with its posts."""
        yield from sorted(self._kept.items())
