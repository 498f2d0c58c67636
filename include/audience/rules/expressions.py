"""Checks of regular expressions that Python accepts and nobody means."""

import re

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
