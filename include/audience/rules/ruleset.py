"""A rule set: patterns that assign texts to panels."""

import csv
import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from unicodedata import normalize

from include.audience.rules.expressions import matches_all, matches_nothing
from include.core.errors import BadDataError
from include.core.text import excerpt

MODEL_TYPES = ("keyword_model", "rule_model")
PREDICT_TYPES = ("author_name", "content", "s_area_id")
MATCH_TYPES = ("partially", "start", "end", "exactly")

HEADERS = {"keyword_model": ["panel", "keyword", "match_type"], "rule_model": ["panel", "pattern"]}
SYNONYMS = {"author": "author_name", "absolutely": "exactly"}
"""Synonyms of predict types and match types."""

MAX_WARNINGS = 5
"""Warnings of one kind that are written out."""

SIGMA, FINAL_SIGMA, DOT = "\u03c3", "\u03c2", "\u0307"


class RulesError(BadDataError):
    """The rule set is missing or invalid; messages name the line, and the file relative to the rules folder."""


@dataclass(frozen=True)
class Pattern:
    """A keyword or regular expression that assigns a text to a panel."""

    panel: str
    """Label without the leading slash, 1 to 199 characters."""
    text: str
    """Keyword or regular expression as written, including blanks and upper case."""
    match_types: tuple[str, ...] = ()
    """Where a keyword has to occur: some of `MATCH_TYPES`, in that order; empty for a regular expression."""


@dataclass(frozen=True)
class Rules:
    """A validated rule set."""

    model_type: str
    """One of `MODEL_TYPES`."""
    predict_type: str
    """One of `PREDICT_TYPES`."""
    patterns: tuple[Pattern, ...]
    """Distinct patterns in file order."""

    @cached_property
    def panels(self) -> tuple[str, ...]:
        """Distinct names of the panels with their slash, such as `/female`, ascending."""
        return tuple(f"/{label}" for label in sorted({pattern.panel for pattern in self.patterns}))

    @property
    def warnings(self) -> list[str]:
        """What is probably not meant, in words."""
        spelled: dict[str, list[str]] = {}
        for panel in self.panels:
            spelled.setdefault(fold(panel), []).append(panel)
        found = [f"the panels {', '.join(names)} differ in case only" for names in spelled.values() if len(names) > 1]
        found += self._shared()
        if self.model_type == "keyword_model":
            odd = [each for each in self.patterns if normalize("NFC", each.text) != each.text]
            return found + _listed(odd, "has letters that are not composed (NFC), as few texts have them")
        wide = [each for each in self.patterns if matches_all(each.text)]
        none = [each for each in self.patterns if matches_nothing(each.text)]
        return found + _listed(wide, "matches every text") + _listed(none, "matches no text")

    def _shared(self) -> list[str]:
        """Return warnings of patterns that several panels have: only the first panel can win."""
        panels: dict[tuple[str, str], list[str]] = {}
        keywords = self.model_type == "keyword_model"
        for each in self.patterns:
            for match_type in each.match_types or ("",):
                known = panels.setdefault((fold(each.text) if keywords else each.text, match_type), [])
                if each.panel not in known:
                    known.append(each.panel)
        shared = {text: names for (text, _), names in panels.items() if len(names) > 1}
        return _cut(
            [
                f"the rule {excerpt(text)} belongs to {', '.join(f'/{name}' for name in sorted(names))}"
                for text, names in shared.items()
            ]
        )

    @property
    def checksum(self) -> str:
        """SHA-256 of the types and the patterns, 64 hexadecimal digits."""
        content = f"{self.model_type}\n{self.predict_type}\n{self.as_csv()}"
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()

    def as_csv(self) -> str:
        """Return the patterns as CSV; `files.parse_csv` reads it back to an equal rule set."""
        text = io.StringIO(newline="")
        write = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow
        write(HEADERS[self.model_type])
        for pattern in self.patterns:
            types = [",".join(pattern.match_types)] if self.model_type == "keyword_model" else []
            write([f"/{pattern.panel}", pattern.text, *types])
        return text.getvalue()


def check_types(model_type: str, predict_type: str) -> str:
    """
    Check a model type and a predict type.

    Returns:
        The predict type as one of `PREDICT_TYPES`.

    Raises:
        RulesError: one of them is unknown.
    """
    if model_type not in MODEL_TYPES:
        raise RulesError(f"model type {either(MODEL_TYPES)} was expected, found {excerpt(model_type)}")
    canonical = SYNONYMS.get(predict_type, predict_type)
    if canonical not in PREDICT_TYPES:
        raise RulesError(f"predict type {either(PREDICT_TYPES)} was expected, found {excerpt(predict_type)}")
    return canonical


def fold(text: str) -> str:
    """
    Return a text without case: in lower case, with one form of each letter.

    `str.lower` makes a capital sigma one of two small ones, and a dotted capital I two characters.
    """
    return text.lower().replace(FINAL_SIGMA, SIGMA).replace("i" + DOT, "i")


def either(names: tuple[str, ...]) -> str:
    """Return names as `a, b or c`."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _listed(patterns: list[Pattern], what: str) -> list[str]:
    return _cut([f"the rule {excerpt(each.text)} of /{each.panel} {what}" for each in patterns])


def _cut(warnings: list[str]) -> list[str]:
    """Return the first few warnings of a kind, and how many there are more."""
    rest = len(warnings) - MAX_WARNINGS
    return warnings if rest <= 0 else [*warnings[:MAX_WARNINGS], f"{rest} more rules of this kind"]
