"""
Matching of texts against a rule set.

Case is ignored. Nothing else is normalized: texts are not trimmed, and full-width letters differ from ASCII.
"""

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from ahocorasick_rs import BytesAhoCorasick, MatchKind

from include.audience.rules.ruleset import Rules


class Matcher(Protocol):
    """A rule set compiled for matching many texts."""

    def match(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Return for each text the ascending indexes into `rules.patterns` of the patterns that match it."""
        ...


def build(rules: Rules) -> Matcher:
    """Build the matcher for the model type of *rules*."""
    return KeywordMatcher(rules) if rules.model_type == "keyword_model" else RegexMatcher(rules)


class KeywordMatcher:
    """
    Finds all keywords in one pass with an automaton (Aho and Corasick 1975), about 0.3 µs for a short text.

    It works on UTF-8 bytes: UTF-8 is self-synchronizing, so byte matches are character matches, even with lone
    surrogates.
    """

    def __init__(self, rules: Rules) -> None:
        indexes: dict[bytes, dict[str, list[int]]] = {}
        for index, pattern in enumerate(rules.patterns):
            by_type = indexes.setdefault(_folded(pattern.text), {})
            for match_type in pattern.match_types:
                by_type.setdefault(match_type, []).append(index)
        self._automaton = BytesAhoCorasick(list(indexes), matchkind=MatchKind.Standard)
        self._anywhere, self._start, self._end, self._whole = (
            [tuple(by_type.get(match_type, ())) for by_type in indexes.values()]
            for match_type in ("partially", "start", "end", "exactly")
        )

    def match(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Return for each text the ascending indexes into `rules.patterns` of the patterns that match it."""
        find, fold, decide = self._automaton.find_matches_as_indexes, _folded, self._decide
        found = ((content, find(content, True)) for content in map(fold, texts))
        return [decide(len(content), matches) if matches else () for content, matches in found]

    def _decide(self, size: int, matches: list[tuple[int, int, int]]) -> tuple[int, ...]:
        """Return the patterns of the matches (keyword, start, end) whose type allows that place in *size* bytes."""
        hits: set[int] = set()
        for keyword, start, end in matches:
            hits.update(self._anywhere[keyword])
            if start == 0:
                hits.update(self._start[keyword])
            if end == size:
                hits.update(self._end[keyword])
                if start == 0:
                    hits.update(self._whole[keyword])
        return tuple(sorted(hits))


class RegexMatcher:
    """Searches for each regular expression in turn."""

    def __init__(self, rules: Rules) -> None:
        self._searches = [re.compile(pattern.text, re.IGNORECASE).search for pattern in rules.patterns]

    def match(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Return for each text the ascending indexes into `rules.patterns` of the patterns that match it."""
        return [
            tuple(index for index, search in enumerate(self._searches) if search(text))
            for text in map(str.lower, texts)
        ]


def panels(hits: Sequence[tuple[int, ...]], rules: Rules) -> np.ndarray:
    """
    Choose the panel of each text: the first by name, so `/female` before `/male`.

    Args:
        hits: the result of `match`.
        rules: the rule set that was matched.

    Returns:
        Index into `rules.panels`, or -1 for none; int16, shape (n_texts,).
    """
    ranks = {panel: rank for rank, panel in enumerate(rules.panels)}
    rank_of = [ranks[f"/{pattern.panel}"] for pattern in rules.patterns]
    found = np.full(len(hits), -1, np.int16)
    for text, indexes in enumerate(hits):
        if indexes:
            found[text] = min(rank_of[index] for index in indexes)
    return found


def _folded(text: str) -> bytes:
    return text.lower().encode("utf-8", "surrogatepass")
