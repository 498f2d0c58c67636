"""Coverage of a rule set: how many rows each pattern matches, alone or in conflict with another panel."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from include.audience.rules.ruleset import Rules

WHOLE = -1
"""Stands for the whole panel, in place of the index of a pattern."""
ALL = ""
"""Stands for all panels, in place of the name of one."""

Key = tuple[str, int]
"""Panel without its slash, and index of the pattern in the rules."""


@dataclass(frozen=True)
class Counts:
    """
    Rows matched by a pattern, by a panel, or by any of them.

    Attributes:
        matched: matched rows.
        sole: matched rows that nothing else of its kind matched: no other pattern, or no other panel.
        conflict: matched rows that another panel matched, too.
    """

    matched: int
    sole: int
    conflict: int


@dataclass
class Coverage:
    """Coverage counts of a batch."""

    matched: Counter[Key] = field(default_factory=Counter)
    sole: Counter[Key] = field(default_factory=Counter)
    conflict: Counter[Key] = field(default_factory=Counter)

    def add(self, hits: Sequence[tuple[int, ...]], rows: np.ndarray, rules: Rules) -> None:
        """
        Count texts.

        Args:
            hits: indexes of the matching patterns for each distinct text.
            rows: number of rows with each text, shape (n_texts,).
            rules: the rule set.
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
        """Yield panel, index of the pattern and counts of each key that matched a row."""
        for key, matched in sorted(self.matched.items()):
            yield *key, Counts(matched, self.sole[key], self.conflict[key])

    @staticmethod
    def _add(keys: Sequence[Key], count: int, counter: Counter[Key]) -> None:
        for key in keys:
            counter[key] += count
