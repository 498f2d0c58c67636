"""Patterns of paths: matched against whatever readers' browsers send, so in bounded time."""

import re
from functools import lru_cache
from itertools import product
from typing import Any

from include.articles.sites.files import SitesError
from include.core.text import excerpt

MAX_PATH_CHARACTERS = 2_000
"""Longer paths match nothing."""
MATCH_SECONDS = 2.0
"""Limit of a match."""
TRIAL_SECONDS, TRIAL_CHARACTERS = 0.05, 500
"""Limit of a match when a pattern is loaded, for a path of this length; a good pattern needs a hundredth of it."""
_LETTERS = "a1-/"
_MAX_LETTERS, _MAX_REPEATS, _MAX_PREFIX = 12, 3, 40
_REPEATED = 20
"""Equal letters in a row that only an unbounded repeat takes."""
_ENDS = ("\n", "//\n")
"""Ends that make a match fail, after it has tried everything."""


class PathPattern:
    """
    A regular expression that matches whole paths.

    Args:
        text: the expression, with the syntax of `re`.
        site: name of the site, for errors.
    """

    def __init__(self, text: str, site: str = "") -> None:
        import regex  # unlike `re` it can be stopped; DAG files load this module, and most sites have no pattern

        self.text, self.site = text, site
        self._pattern: Any = regex.compile(text)

    def group(self, path: str, name: str) -> str | None:
        """
        Return a group of the match with a whole path; `None` if the path does not match.

        Raises:
            SitesError: the match takes too long.
        """
        if len(path) > MAX_PATH_CHARACTERS:
            return None
        try:
            found = self._pattern.fullmatch(path, timeout=MATCH_SECONDS)
        except TimeoutError:
            took = f"takes more than {MATCH_SECONDS:g} s for the path {excerpt(path)} of {len(path)} characters"
            raise SitesError(f"site {self.site}, path_pattern: {excerpt(self.text)} {took}") from None
        return found[name] if found else None

    def slow_path(self) -> str | None:
        """Return a path whose match takes too long; `None` if there seems to be none."""
        letters, prefix, repeats = self._letters(), "", 0
        while len(prefix) < _MAX_PREFIX and repeats < _MAX_REPEATS:
            following = [letter for letter in letters if self._may_begin(prefix + letter)]
            if not following:
                break
            repeated = [letter for letter in following if self._may_begin(prefix + letter * _REPEATED)][:3]
            repeats += bool(repeated)
            for unit in [*repeated, *map("".join, product(repeated, repeated))]:
                paths = [prefix + unit * (TRIAL_CHARACTERS // len(unit)) + end for end in _ENDS]
                if slow := next(filter(self._is_slow, paths), None):
                    return slow
            prefix += next((letter for letter in following if letter not in repeated), following[0])
        return None

    def _letters(self) -> list[str]:
        """Return letters to make up paths from."""
        own = re.findall(r"(?<!\\)[\w/-]", re.sub(r"\(\?P<\w+>", "(", self.text))
        return list(dict.fromkeys([*_LETTERS, *own]))[:_MAX_LETTERS]

    def _may_begin(self, path: str) -> bool:
        """Check whether a path that matches can begin so."""
        try:
            return self._pattern.fullmatch(path, partial=True, timeout=TRIAL_SECONDS) is not None
        except TimeoutError:
            return True  # which the trials will show

    def _is_slow(self, path: str) -> bool:
        try:
            self._pattern.fullmatch(path, timeout=TRIAL_SECONDS)
        except TimeoutError:
            return True
        return False


@lru_cache(100)
def check_pattern(text: str) -> None:
    """
    Check a pattern of paths.

    Raises:
        ValueError: it is not a regular expression, has no group `slug`, or some path takes too long.
    """
    try:
        groups = re.compile(text).groupindex
        pattern = PathPattern(text)
    except Exception as error:  # of `re`, `regex`, or a recursion that is too deep
        raise ValueError(f"a regular expression was expected: {error}") from None
    if "slug" not in groups:
        raise ValueError("a group (?P<slug>…) was expected, found none")
    if slow := pattern.slow_path():
        raise ValueError(
            f"a pattern without nested repeats such as (a+)+ was expected: {excerpt(slow)}, a path of {len(slow)} "
            f"characters, takes more than {TRIAL_SECONDS:g} s"
        )
