"""Where in a text a pattern matches, for people who look at samples."""

import re
from collections.abc import Iterable

from include.audience.rules.ruleset import DOT, FINAL_SIGMA, SIGMA, Pattern, fold

Span = tuple[int, int]
"""First character, and the one after the last."""


def span_of(pattern: Pattern, text: str) -> Span | None:
    """
    Return where a pattern matches a text first.

    Args:
        pattern: a keyword or a regular expression.
        text: the text as written.

    Returns:
        The span in the characters of *text*; `None` if the pattern does not match.
    """
    folded, places = _folded(text)
    if found := _keyword(pattern, folded) if pattern.match_types else _regex(pattern, folded):
        begin, end = found
        return places[begin], places[end]
    return None


def first_span(patterns: Iterable[Pattern], text: str) -> Span | None:
    """Return where the first of *patterns* that matches a text does so, like `span_of`."""
    folded = fold(text)
    for pattern in patterns:
        # most keywords do not occur at all, which is seen faster than where they would
        if pattern.match_types and fold(pattern.text) not in folded:
            continue
        if found := span_of(pattern, text):
            return found
    return None


def _keyword(pattern: Pattern, folded: str) -> Span | None:
    keyword = fold(pattern.text)
    size, types = len(keyword), pattern.match_types
    if "partially" in types and (begin := folded.find(keyword)) >= 0:
        return begin, begin + size
    if folded == keyword and "exactly" in types:
        return 0, size
    if "start" in types and folded.startswith(keyword):
        return 0, size
    if "end" in types and folded.endswith(keyword):
        return len(folded) - size, len(folded)
    return None


def _regex(pattern: Pattern, folded: str) -> Span | None:
    found = re.search(pattern.text, folded, re.IGNORECASE)
    return found.span() if found else None


def _folded(text: str) -> tuple[str, list[int]]:
    """Return `fold(text)`, and for each of its characters, and its end, the place in *text*."""
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        for small in letter.lower():
            if small == DOT and letters and letters[-1] == "i":
                continue
            letters.append(SIGMA if small == FINAL_SIGMA else small)
            places.append(place)
    return "".join(letters), [*places, len(text)]
