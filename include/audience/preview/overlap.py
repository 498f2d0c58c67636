"""Patterns that never match alone, and panels that match the same posts."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from include.audience.rules.ruleset import Rules


class Overlap:
    """
    Overlap of patterns and of panels of a rule set.

    Attributes:
        conflicts: two panels in ascending order → posts that both match.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._always: dict[int, frozenset[int]] = {}
        self.conflicts: Counter[tuple[str, str]] = Counter()

    def add(self, hits: Sequence[tuple[int, ...]], posts: np.ndarray) -> None:
        """
        Add texts.

        Args:
            hits: indexes of the matching patterns for each distinct text.
            posts: number of posts with each text, shape (n_texts,).
        """
        weight: Counter[tuple[int, ...]] = Counter()
        for found, count in zip(hits, posts.tolist(), strict=True):
            if found:
                weight[found] += count
        for found, count in weight.items():
            others = frozenset(found)
            for pattern in found:
                known = self._always.get(pattern)
                if known is None or not known <= others:
                    self._always[pattern] = others if known is None else known & others
            panels = sorted({self._rules.patterns[each].panel for each in found})
            for pair in combinations(panels, 2):
                self.conflicts[pair] += count

    def swallowed(self) -> list[tuple[int, int]]:
        """
        Return patterns that matched only posts that another pattern matched, too, with that pattern, ascending.

        Of patterns that matched the same posts, the first one is not listed. A pattern of the same panel is preferred.
        """
        found = []
        for pattern in sorted(self._always):
            others = [other for other in self._always[pattern] if other != pattern and not self._same(pattern, other)]
            if others:
                panel = self._rules.patterns[pattern].panel
                found.append((pattern, min(others, key=lambda each: (self._rules.patterns[each].panel != panel, each))))
        return found

    def _same(self, pattern: int, other: int) -> bool:
        """Return whether *other* comes later and matched the same posts."""
        return other > pattern and pattern in self._always[other]
