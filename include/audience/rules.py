"""
Rule sets: which texts belong to which panel.

A set is `<folder>/<model_type>/<predict_type>.csv`, or one file `<folder>/<model_type>/<label>/<predict_type>.txt` for
each panel. The README in the folder `rules` describes both.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from include.core.errors import BadDataError
from include.core.text import shown

DEFAULT = Path(__file__).with_name("rules")
"""The folder with the rules that are shipped."""

MODEL_TYPES = ("keyword_model", "rule_model")
PREDICT_TYPES = ("author_name", "content", "s_area_id")
MATCH_TYPES = ("partially", "start", "end", "exactly")

HEADERS = {"keyword_model": ["panel", "keyword", "match_type"], "rule_model": ["panel", "pattern"]}
SYNONYMS = {"author": "author_name", "absolutely": "exactly"}
"""Other words for a predict type and a match type."""
MAX_PANEL = 199
"""Characters of a panel without its slash; with it, 200 fit the column."""
NOT_IN_PANELS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class RulesError(BadDataError):
    """A rule set that is missing or wrong; messages name files relative to the rules folder, and the line."""


@dataclass(frozen=True)
class Pattern:
    """One keyword or regular expression that puts a text into a panel."""

    panel: str
    """Label without the leading slash, 1 to 199 characters."""
    text: str
    """Keyword or regular expression as it was written, blanks and upper case included."""
    match_types: tuple[str, ...] = ()
    """Where a keyword may be: some of `MATCH_TYPES`, in that order; `()` for a regular expression."""


@dataclass(frozen=True)
class Rules:
    """A checked rule set."""

    model_type: str
    """One of `MODEL_TYPES`."""
    predict_type: str
    """One of `PREDICT_TYPES`."""
    patterns: tuple[Pattern, ...]
    """In file order, none twice."""

    @cached_property
    def panels(self) -> tuple[str, ...]:
        """Names of the panels with their slash, like `/female`, ascending, each once."""
        return tuple(f"/{label}" for label in sorted({pattern.panel for pattern in self.patterns}))

    @property
    def checksum(self) -> str:
        """SHA-256 of the types and the patterns, 64 hexadecimal digits."""
        content = f"{self.model_type}\n{self.predict_type}\n{self.as_csv()}"
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()

    def as_csv(self) -> str:
        """Give the patterns as CSV text; `parse_csv` reads it back to an equal rule set."""
        text = io.StringIO(newline="")
        write = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow
        write(HEADERS[self.model_type])
        for pattern in self.patterns:
            types = [",".join(pattern.match_types)] if self.model_type == "keyword_model" else []
            write([f"/{pattern.panel}", pattern.text, *types])
        return text.getvalue()


def column(predict_type: str) -> str:
    """
    Name the column of the source table whose text is labelled.

    Raises:
        RulesError: *predict_type* is neither in `PREDICT_TYPES` nor `author`.
    """
    canonical = SYNONYMS.get(predict_type, predict_type)
    if canonical not in PREDICT_TYPES:
        raise RulesError(f"predict type {_either(PREDICT_TYPES)} was expected, found {shown(predict_type)}")
    return "author" if canonical == "author_name" else canonical


def read(folder: Path, model_type: str, predict_type: str) -> Rules:
    """
    Read a rule set from the CSV file or, when there is none, from one text file for each panel.

    Raises:
        RulesError: a type is unknown (found before any file is looked for); the set is missing, empty, not UTF-8, or
            has a bad line.
    """
    predict_type = _checked(model_type, predict_type)
    name = f"{model_type}/{predict_type}.csv"
    if (text := _text(folder, name)) is not None:
        return parse_csv(text, model_type, predict_type, name)
    labels = sorted(path.parent.name for path in (folder / model_type).glob(f"*/{predict_type}.txt"))
    patterns = []
    for label in labels:
        part = f"{model_type}/{label}/{predict_type}.txt"
        lines = (_text(folder, part) or "").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        rows = ((number, _fields_of(line, label, model_type)) for number, line in enumerate(lines, 1) if line.strip())
        patterns.extend(_patterns(rows, model_type, part))
    if not labels:
        raise RulesError(f"{name}: a rule set was expected, found neither it nor {model_type}/*/{predict_type}.txt")
    return _rules(model_type, predict_type, patterns, f"{model_type}/*/{predict_type}.txt")


def parse_csv(text: str, model_type: str, predict_type: str, name: str) -> Rules:
    """
    Read a rule set from CSV text with the header `panel,keyword,match_type` or `panel,pattern`.

    Args:
        text: the content of a file; its line breaks as they are.
        model_type: one of `MODEL_TYPES`.
        predict_type: one of `PREDICT_TYPES`, or `author`.
        name: what messages call the text.

    Raises:
        RulesError: a type is unknown, a line is bad, or there is no pattern.
    """
    predict_type = _checked(model_type, predict_type)
    rows = _records(text.removeprefix("\ufeff"), name)
    line, header = next(rows, (1, []))
    if header != HEADERS[model_type]:
        expected = ",".join(HEADERS[model_type])
        raise RulesError(f"{name}, line {line}: the header {expected} was expected, found {shown(','.join(header))}")
    return _rules(model_type, predict_type, _patterns(rows, model_type, name), name)


def _checked(model_type: str, predict_type: str) -> str:
    if model_type not in MODEL_TYPES:
        raise RulesError(f"model type {_either(MODEL_TYPES)} was expected, found {shown(model_type)}")
    column(predict_type)
    return SYNONYMS.get(predict_type, predict_type)


def _text(folder: Path, name: str) -> str | None:
    """Read a file without touching its line breaks; `None`: there is none."""
    try:
        content = (folder / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RulesError(f"{name}: a readable file was expected, found: {error.strerror}") from None
    try:
        return content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"{content[error.start]:#04x}"
        raise RulesError(f"{name}, line {line}: UTF-8 text was expected, found the byte {found}") from None


def _records(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Give (number of its first line, fields) for each record that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise RulesError(f"{name}, line {line}: CSV was expected: {error}") from None
        if len(fields) > 1 or "".join(fields).strip():
            yield line, fields


def _fields_of(line: str, label: str, model_type: str) -> list[str]:
    return [label, *line.split("\t")] if model_type == "keyword_model" else [label, line]


def _patterns(rows: Iterable[tuple[int, list[str]]], model_type: str, name: str) -> Iterator[Pattern]:
    for line, fields in rows:
        try:
            yield _pattern(fields, model_type)
        except RulesError as error:
            raise RulesError(f"{name}, line {line}: {error}") from None


def _pattern(fields: list[str], model_type: str) -> Pattern:
    names = HEADERS[model_type]
    if len(fields) != len(names):
        raise RulesError(f"{len(names)} fields ({', '.join(names)}) were expected, found {len(fields)}")
    panel, text, *types = fields
    panel = panel.removeprefix("/")
    if panel != panel.strip() or not 0 < len(panel) <= MAX_PANEL or NOT_IN_PANELS.search(panel):
        raise RulesError(
            f"panel: 1 to {MAX_PANEL} characters without line breaks and outer blanks were expected, "
            f"found {shown(panel)}"
        )
    if not text:
        raise RulesError(f"a {names[1]} was expected, found an empty one")
    if types:
        return Pattern(panel, text, _match_types(types[0]))
    try:
        re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise RulesError(f"a regular expression was expected, found {shown(text)}: {error}") from None
    return Pattern(panel, text)


def _match_types(text: str) -> tuple[str, ...]:
    found = set()
    for word in map(str.strip, text.split(",")):
        match_type = SYNONYMS.get(word, word)
        if match_type not in MATCH_TYPES:
            raise RulesError(f"match type {_either((*MATCH_TYPES, 'absolutely'))} was expected, found {shown(word)}")
        found.add(match_type)
    return tuple(sorted(found, key=MATCH_TYPES.index))


def _rules(model_type: str, predict_type: str, patterns: Iterable[Pattern], name: str) -> Rules:
    distinct: dict[tuple[str, str, tuple[str, ...]], Pattern] = {}
    for pattern in patterns:
        text = pattern.text.lower() if model_type == "keyword_model" else pattern.text
        distinct.setdefault((pattern.panel, text, pattern.match_types), pattern)
    if not distinct:
        raise RulesError(f"{name}: at least one pattern was expected, found none")
    return Rules(model_type, predict_type, tuple(distinct.values()))


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
