"""Checks of regular expressions that Python accepts and nobody means."""

import re
from re import _constants as codes  # pyright: ignore[reportAttributeAccessIssue]
from re import _parser as parser  # pyright: ignore[reportAttributeAccessIssue]

from include.core.text import excerpt

POSIX = re.compile(
    r"(?<!\\)\[:\^?(alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\]"
)
"""A class of POSIX, which Python reads as a set of the letters of its name."""
PROBES = ("q", "7", "王", "\U0001f600")
"""Texts that have nothing in common."""


def fault(text: str) -> str | None:
    """Return what is wrong with a regular expression; `None` if nothing is."""
    if posix := POSIX.search(text):
        return (
            f"a regular expression of Python was expected, found the POSIX class {excerpt(posix[0])}: use \\w, "
            "\\d, \\s or a set such as [a-z]"
        )
    try:
        search = re.compile(text, re.IGNORECASE).search
    except (re.error, OverflowError, RecursionError) as error:
        return f"a regular expression was expected, found {excerpt(text)}: {error}"
    if search("") and all(map(search, PROBES)):
        return (
            f"a regular expression that does not match every text was expected, found {excerpt(text)}: it matches even "
            "the empty text; for one or more use + in place of *"
        )
    return None


def matches_all(text: str) -> bool:
    """Check whether a regular expression seems to match every text that is not empty."""
    return all(map(re.compile(text, re.IGNORECASE).search, PROBES))


def matches_nothing(text: str) -> bool:
    """Check whether a regular expression seems to match no text: it needs a character before `^`, or after `$`."""
    parsed = parser.parse(text, re.IGNORECASE)
    if parsed.state.flags & (re.MULTILINE | re.DOTALL):
        return False
    begun = ended = False
    for code, argument in parsed:
        if code is codes.AT and argument in (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING):
            if begun:
                return True
        elif code is codes.AT and argument in (codes.AT_END, codes.AT_END_STRING):
            ended = True
        elif code in (codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY):
            if ended and (code is codes.ANY or (code is codes.LITERAL and argument != ord("\n"))):
                return True
            begun = True
        elif code is codes.ASSERT_NOT and not argument[1]:
            return True
    return False
