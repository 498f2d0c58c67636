"""
Matching of texts against a rule set.

Case is ignored. Nothing else is normalized: texts are not trimmed, and full-width letters differ from ASCII.
"""

import re
from collections.abc import Callable, Sequence
from operator import length_hint
from typing import Protocol

import numpy as np
from ahocorasick_rs import BytesAhoCorasick, MatchKind

from include.audience.rules.linear import LinearSearch, Untranslatable, accepts, translate
from include.audience.rules.ruleset import DOT, FINAL_SIGMA, SIGMA, Rules, RulesError, fold
from include.audience.rules.stalls import StalledError, stall_guard
from include.core.text import excerpt

STALL_SECONDS = 3.0
"""CPU time of one search, after which it is given up; a usual one takes microseconds."""
LETTERS = {FINAL_SIGMA.encode(): SIGMA.encode(), f"i{DOT}".encode(): b"i"}
"""What `fold` replaces, in UTF-8."""
PART_TEXTS = 500
"""Texts that regular expressions are searched in at a time."""


class Matcher(Protocol):
    """A rule set compiled for matching many texts."""

    def match(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Return for each text the ascending indexes into `rules.patterns` of the patterns that match it."""
        ...


def build(rules: Rules, between: Callable[[], object] = lambda: None) -> Matcher:
    """
    Build the matcher for the model type of *rules*.

    Args:
        rules: the rule set.
        between: called from time to time while regular expressions are searched for; ends that by an error.
    """
    return KeywordMatcher(rules) if rules.model_type == "keyword_model" else RegexMatcher(rules, between)


class KeywordMatcher:
    """
    Finds all keywords in one pass with an automaton (Aho and Corasick 1975), about 0.3 µs for a short text.

    It works on UTF-8 bytes: UTF-8 is self-synchronizing, so byte matches are character matches, even with lone
    surrogates. It also finds the letters for which `str.lower` is not enough, so that only texts with them take longer.
    """

    def __init__(self, rules: Rules) -> None:
        indexes: dict[bytes, dict[str, list[int]]] = {}
        for index, pattern in enumerate(rules.patterns):
            by_type = indexes.setdefault(_one_form(_lowered(pattern.text)), {})
            for match_type in pattern.match_types:
                by_type.setdefault(match_type, []).append(index)
        self._keywords = len(indexes)
        self._automaton = BytesAhoCorasick([*indexes, *LETTERS], matchkind=MatchKind.Standard)
        self._anywhere, self._start, self._end, self._whole = (
            [tuple(by_type.get(match_type, ())) for by_type in indexes.values()]
            for match_type in ("partially", "start", "end", "exactly")
        )

    def match(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Return for each text the ascending indexes into `rules.patterns` of the patterns that match it."""
        find, decide = self._automaton.find_matches_as_indexes, self._decide
        found = ((content, find(content, True)) for content in map(_lowered, texts))
        return [decide(content, matches) if matches else () for content, matches in found]

    def _decide(self, content: bytes, matches: list[tuple[int, int, int]]) -> tuple[int, ...]:
        """Return the patterns of the matches (keyword, start, end) in a text whose type allows that place."""
        if max(matches)[0] >= self._keywords:  # one of `LETTERS`
            content = _one_form(content)
            found = self._automaton.find_matches_as_indexes(content, True)
            matches = [match for match in found if match[0] < self._keywords]
        size = len(content)
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
    """
    Searches for all regular expressions in one pass with RE2; for those that it lacks, with Python, one by one.

    RE2 takes linear time. Texts with lone surrogates, which are not Unicode, are left to Python.
    """

    def __init__(self, rules: Rules, between: Callable[[], object] = lambda: None) -> None:
        """Build a matcher; *between* is called before each part, and every few seconds within one."""
        self._patterns = rules.patterns
        self._searches = [re.compile(pattern.text, re.IGNORECASE).search for pattern in rules.patterns]
        self._between = between
        always, ascii_only, slow = _engines([pattern.text for pattern in rules.patterns])
        self._always, self._ascii = list(always), list(ascii_only)
        self._linear = LinearSearch([*always.values()])
        self._linear_ascii = LinearSearch([*always.values(), *ascii_only.values()])
        self._slow, self._slow_beyond_ascii = slow, sorted([*slow, *ascii_only])

    def match(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """
        Return for each text the ascending indexes into `rules.patterns` of the patterns that match it.

        Raises:
            RulesError: a pattern does not come to an end with a text.
        """
        found: list[tuple[int, ...]] = []
        for begin in range(0, len(texts), PART_TEXTS):
            self._between()
            found += self._match(texts[begin : begin + PART_TEXTS])
        return found

    def _match(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        folded = list(map(fold, texts))
        found = list(map(self._search_fast, folded))
        left = [place for place, (_, slow) in enumerate(found) if slow]
        following = iter(left)
        more: list[tuple[int, ...]] = []
        try:
            with stall_guard(lambda: length_hint(following), self._between, STALL_SECONDS):
                for place in following:
                    more.append(self._search_slowly(folded[place], found[place][1]))
        except StalledError:
            more = [self._search_guarded(folded[place], found[place][1]) for place in left]
        hits = [fast for fast, _ in found]
        for place, slow in zip(left, more, strict=True):
            if slow:
                hits[place] = tuple(sorted([*hits[place], *slow]))
        return hits

    def _search_fast(self, text: str) -> tuple[tuple[int, ...], Sequence[int]]:
        """Return the patterns that RE2 finds, and those that it cannot decide."""
        numbers, search, slow = self._always, self._linear, self._slow_beyond_ascii
        if text.isascii():
            numbers, search, slow = [*self._always, *self._ascii], self._linear_ascii, self._slow
        found = search.search(text)
        if found is None:
            return (), range(len(self._patterns))
        return tuple(sorted(numbers[each] for each in found)), slow

    def _search_slowly(self, text: str, numbers: Sequence[int]) -> tuple[int, ...]:
        searches = self._searches
        return tuple(number for number in numbers if searches[number](text))

    def _search_guarded(self, text: str, numbers: Sequence[int]) -> tuple[int, ...]:
        """Search with a limit for each pattern, of which many may only together have taken long."""
        found = []
        for index in numbers:
            try:
                with stall_guard(lambda: 0, self._between, STALL_SECONDS):
                    if self._searches[index](text):
                        found.append(index)
            except StalledError:
                pattern = self._patterns[index]
                raise RulesError(
                    f"the rule {excerpt(pattern.text)} of /{pattern.panel} does not come to an end within "
                    f"{STALL_SECONDS:g} s with a text of {len(text)} characters, {excerpt(text)}: avoid a repetition "
                    "within a repetition, such as (a+)+"
                ) from None
        return tuple(found)


def _engines(texts: Sequence[str]) -> tuple[dict[int, str], dict[int, str], list[int]]:
    """
    Decide how each expression is searched for.

    Returns:
        Number → expression for RE2, for those that it decides for all texts, and for texts in ASCII; the numbers of
        those that only Python decides.
    """
    always: dict[int, str] = {}
    ascii_only: dict[int, str] = {}
    slow: list[int] = []
    for number, text in enumerate(texts):
        try:
            expression, everywhere = translate(text)
        except Untranslatable:
            slow.append(number)
            continue
        if not accepts(expression):
            slow.append(number)
        else:
            (always if everywhere else ascii_only)[number] = expression
    return always, ascii_only, slow


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


def _lowered(text: str) -> bytes:
    return text.lower().encode("utf-8", "surrogatepass")


def _one_form(lowered: bytes) -> bytes:
    """Return what `fold` makes of the text."""
    for letter, form in LETTERS.items():
        lowered = lowered.replace(letter, form)
    return lowered
