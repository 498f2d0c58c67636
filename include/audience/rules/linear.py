"""
Regular expressions of Python as those of RE2, which searches for many of them at once, in linear time.

The meaning stays Python's: classes and letters of either case are written out as ranges of characters, since RE2's own
differ in detail. What RE2 lacks, such as lookahead and references, is not translated.
"""

import re
import sys
from _sre import unicode_tolower  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from re import _casefix as casefix  # pyright: ignore[reportAttributeAccessIssue]
from re import _constants as codes  # pyright: ignore[reportAttributeAccessIssue]
from re import _parser as parser  # pyright: ignore[reportAttributeAccessIssue]
from typing import Any

import re2

Ranges = list[tuple[int, int]]
"""First and last character of each range, ascending, without overlaps."""
LAST = sys.maxunicode
SURROGATES = (0xD800, 0xDFFF)
MAX_LETTERS = 70_000
"""Largest range of characters that is expanded."""
MAX_REPEAT = 1_000
"""RE2's own limit."""
MEMORY_BYTES = 1 << 28
CATEGORIES = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}


class Untranslatable(Exception):  # expected, and handled
    """The expression means nothing to RE2."""


def translate(text: str) -> tuple[str, bool]:
    """
    Translate an expression that Python accepts, for texts that `fold` has returned.

    Returns:
        The expression for RE2, and whether it has the same meaning for all texts; otherwise only for ASCII.

    Raises:
        Untranslatable: RE2 lacks a part of it.
    """
    parsed = parser.parse(text, re.IGNORECASE)
    if parsed.state.flags & ~(re.UNICODE | re.IGNORECASE | re.VERBOSE):
        raise Untranslatable("flags")
    translator = _Translator()
    return translator.sequence(parsed, last=True), not translator.boundaries


class LinearSearch:
    """Searches for many expressions at once."""

    def __init__(self, expressions: Sequence[str]) -> None:
        """
        Build a search.

        Args:
            expressions: expressions in the syntax of RE2.

        Raises:
            Untranslatable: RE2 refuses them.
        """
        self._set = re2.Set.SearchSet(_options())
        for expression in [*expressions, ""]:  # the last one always matches, unless RE2 runs out of memory
            _added(self._set, expression)
        self._set.Compile()
        self._always = len(expressions)

    def search(self, text: str) -> list[int] | None:
        """
        Return the indexes of the expressions that match, ascending; `None` if RE2 cannot tell.

        That is so if its memory does not suffice, or if the text has lone surrogates.
        """
        try:
            found = self._set.Match(text.encode())
        except UnicodeEncodeError:
            return None
        if not found or self._always not in found:
            return None
        return sorted(index for index in found if index != self._always)


def accepts(expression: str) -> bool:
    """Return whether RE2 accepts an expression."""
    try:
        _added(re2.Set.SearchSet(_options()), expression)
    except Untranslatable:
        return False
    return True


def _options() -> Any:
    options = re2.Options()
    options.max_mem, options.log_errors, options.never_capture = MEMORY_BYTES, False, True
    return options


def _added(into: Any, expression: str) -> None:
    try:
        number = into.Add(expression)
    except re2.error as error:
        raise Untranslatable(str(error)) from None
    if number < 0:
        raise Untranslatable(expression)


class _Translator:
    """Translates a parsed expression; `boundaries` tells whether it has `\\b`, which RE2 knows for ASCII only."""

    def __init__(self) -> None:
        self.boundaries = False

    def sequence(self, items: Iterable[Any], *, last: bool) -> str:
        """Translate what follows each other; *last*: nothing follows it."""
        items = list(items)
        return "".join(
            self._item(code, argument, last=last and number == len(items) - 1)
            for number, (code, argument) in enumerate(items)
        )

    def _item(self, code: Any, argument: Any, *, last: bool) -> str:
        if code is codes.LITERAL:
            return _written(_letter(argument))
        if code is codes.NOT_LITERAL:
            return _written(_complement(_letter(argument)))
        if code is codes.ANY:
            return r"[^\n]"
        if code is codes.IN:
            return _written(_class(argument))
        if code is codes.BRANCH:
            return f"(?:{'|'.join(self.sequence(branch, last=last) for branch in argument[1])})"
        if code is codes.SUBPATTERN:
            _, added, removed, inner = argument
            if added & ~re.IGNORECASE or removed:
                raise Untranslatable("flags")
            return f"(?:{self.sequence(inner, last=last)})"
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            return self._repeat(*argument)
        if code is codes.AT:
            return self._place(argument, last=last)
        raise Untranslatable(str(code))

    def _repeat(self, least: int, most: Any, inner: Any) -> str:
        bound = "" if most is codes.MAXREPEAT else str(most)
        if least > MAX_REPEAT or (bound and int(bound) > MAX_REPEAT):
            raise Untranslatable("repetition")
        return f"(?:{self.sequence(inner, last=False)}){{{least},{bound}}}"

    def _place(self, place: Any, *, last: bool) -> str:
        if place in (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING):
            return r"\A"
        if place is codes.AT_END_STRING:
            return r"\z"
        if place is codes.AT_END and last:  # consumes the line break before the end, which nothing else can need
            return r"(?:\n?\z)"
        if place is codes.AT_BOUNDARY:  # its opposite differs: in Python, there is none in an empty text
            self.boundaries = True
            return r"\b"
        raise Untranslatable(str(place))


def _class(items: Iterable[Any]) -> Ranges:
    found: Ranges = []
    negated = False
    for code, argument in items:
        if code is codes.NEGATE:
            negated = True
        elif code is codes.LITERAL:
            found += _letter(argument)
        elif code is codes.RANGE:
            first, last = argument
            if last - first > MAX_LETTERS:
                raise Untranslatable("range")
            found += [each for letter in range(first, last + 1) for each in _letter(letter)]
        elif code is codes.CATEGORY:
            found += _category(str(argument))
        else:
            raise Untranslatable(str(code))
    found = _merged(found)
    return _complement(found) if negated else found


def _letter(letter: int) -> Ranges:
    """Return the characters of a folded text that a letter matches, case ignored."""
    lowered = unicode_tolower(letter)
    return [(each, each) for each in {lowered, *casefix._EXTRA_CASES.get(lowered, ())}]


@cache
def _category(name: str) -> Ranges:
    """Return the characters of `CATEGORY_DIGIT`, `CATEGORY_NOT_DIGIT`, …"""
    word = name.removeprefix("CATEGORY_")
    kind = CATEGORIES[word.removeprefix("NOT_")]
    found = _runs(re.compile(kind).match)
    return _complement(found) if word.startswith("NOT_") else found


def _runs(belongs: Callable[[str], object]) -> Ranges:
    return _merged([(letter, letter) for letter in range(LAST + 1) if belongs(chr(letter))])


def _merged(ranges: Ranges) -> Ranges:
    found: Ranges = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _complement(ranges: Ranges) -> Ranges:
    found, following = [], 0
    for first, last in _merged(ranges):
        if first > following:
            found.append((following, first - 1))
        following = last + 1
    return [*found, (following, LAST)] if following <= LAST else found


def _written(ranges: Ranges) -> str:
    """Return a class of RE2, which has no halves of surrogate pairs."""
    parts = [
        (first, last)
        for begin, end in _merged(ranges)
        for first, last in ((begin, min(end, SURROGATES[0] - 1)), (max(begin, SURROGATES[1] + 1), end))
        if first <= last
    ]
    if not parts:
        raise Untranslatable("no character")
    return "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in parts) + "]"
