"""What changes between two rule sets: posts and authors that panels gain, lose or pass to another panel."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from include.audience.preview.votes import Votes

NO_PANEL = -1
Move = tuple[int, int]
"""Panel before and after, as indexes into the panels of both rule sets; `NO_PANEL` for none."""


@dataclass
class Changes:
    """
    Counts of posts or authors.

    Attributes:
        before: panel → members with the rules in force.
        after: panel → members with the new rules.
        moves: panel before and after → members that changed.
    """

    before: Counter[int] = field(default_factory=Counter)
    after: Counter[int] = field(default_factory=Counter)
    moves: Counter[Move] = field(default_factory=Counter)

    def add(self, pairs: Iterable[tuple[Move, int]]) -> None:
        """Add numbers of posts by their panels before and after."""
        for (before, after), count in pairs:
            self.before[before] += count
            self.after[after] += count
            if before != after:
                self.moves[before, after] += count


def posts_of(before: np.ndarray, after: np.ndarray) -> Iterator[tuple[Move, int]]:
    """Yield panel before and after with the number of their posts; shape (n,) each."""
    pairs, counts = np.unique(np.stack([before, after]), axis=1, return_counts=True)
    for (old, new), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):  # noqa: UP028  # tuples, not lists
        yield (old, new), count


def authors_of(before: Votes, after: Votes) -> Changes:
    """
    Compare the panels of authors.

    An author who has left one panel and come to one has moved; with ties kept, one may be in several panels.

    Args:
        before: group, author and panel of each result row with the rules in force.
        after: the same with the new rules.
    """
    old, new = (set(zip(*(each.tolist() for each in votes), strict=True)) for votes in (before, after))
    changes = Changes(Counter(row[2] for row in old), Counter(row[2] for row in new))
    left: dict[tuple[int, int], list[int]] = {}
    come: dict[tuple[int, int], list[int]] = {}
    for rows, into in ((old - new, left), (new - old, come)):
        for group, author, panel in rows:
            into.setdefault((group, author), []).append(panel)
    for key in left.keys() | come.keys():
        lost, gained = left.get(key, []), come.get(key, [])
        if len(lost) == len(gained) == 1:
            changes.moves[lost[0], gained[0]] += 1
        else:
            changes.moves.update((panel, NO_PANEL) for panel in lost)
            changes.moves.update((NO_PANEL, panel) for panel in gained)
    return changes
