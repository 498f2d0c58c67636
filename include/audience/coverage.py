"""Which patterns do the work: how many rows each matches, alone or against another panel."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from include.audience.rules import Rules

WHOLE = -1
"""Stands for a panel as a whole, in the place of one of its patterns."""
ALL = ""
"""Stands for all panels together."""

Key = tuple[str, int]
"""Panel, and place of the pattern in the rules."""


@dataclass(frozen=True)
class Counts:
    """
    Rows that a pattern, a panel, or anything has matched.

    Attributes:
        matched: rows that it matched.
        sole: those of them that nothing else of its kind matched: no other pattern, no other panel.
        conflict: those of them that another panel matched too.
    """

    matched: int
    sole: int
    conflict: int


@dataclass
class Coverage:
    """Counts of a batch."""

    matched: Counter[Key] = field(default_factory=Counter)
    sole: Counter[Key] = field(default_factory=Counter)
    conflict: Counter[Key] = field(default_factory=Counter)

    def add(self, hits: Sequence[tuple[int, ...]], rows: np.ndarray, rules: Rules) -> None:
        """
        Count texts.

        Args:
            hits: for each distinct text the places of the patterns that match it.
            rows: how many rows have the text, shape (n_texts,).
            rules: the patterns.
        """
        weight: Counter[tuple[int, ...]] = Counter()
        for found, count in zip(hits, rows.tolist(), strict=True):
            if found:
                weight[found] += count
        for found, count in weight.items():
            panels = {rules.patterns[each].panel for each in found}
            keys = [(rules.patterns[each].panel, each) for each in found]
            wholes = [(panel, WHOLE) for panel in panels]
            self._add([*keys, *wholes, (ALL, WHOLE)], count, self.matched)
            if len(panels) > 1:
                self._add([*keys, *wholes, (ALL, WHOLE)], count, self.conflict)
            else:
                self._add(wholes, count, self.sole)
            if len(found) == 1:
                self._add([*keys, (ALL, WHOLE)], count, self.sole)

    def update(self, other: "Coverage") -> None:
        """Add the counts of another part."""
        self.matched.update(other.matched)
        self.sole.update(other.sole)
        self.conflict.update(other.conflict)

    def rows(self) -> Iterator[tuple[str, int, Counts]]:
        """Give panel, pattern and counts of everything that matched a row."""
        for key, matched in sorted(self.matched.items()):
            yield *key, Counts(matched, self.sole[key], self.conflict[key])

    @staticmethod
    def _add(keys: Sequence[Key], count: int, counter: Counter[Key]) -> None:
        for key in keys:
            counter[key] += count
