"""
Files of rule sets.

A set is `<folder>/<model_type>/<predict_type>.csv`, or one file `<folder>/<model_type>/<label>/<predict_type>.txt` per
panel. The README in the folder `rules` describes both.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from include.audience.rules import expressions, reading
from include.audience.rules.ruleset import (
    HEADERS,
    MATCH_TYPES,
    SYNONYMS,
    Pattern,
    Rules,
    RulesError,
    check_types,
    either,
    fold,
)
from include.core.text import excerpt

MAX_PANEL_CHARACTERS = 199
"""Without the slash; 200 fit the column."""
NOT_IN_PANELS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class MissingRulesError(RulesError):
    """There are no rules of these types."""


def read(folder: Path, model_type: str, predict_type: str) -> Rules:
    """
    Read a rule set from its CSV file or, without one, from a text file per panel.

    Raises:
        RulesError: a type is unknown (checked before any file is opened), or the set is missing, empty, not UTF-8 or
            has an invalid line.
    """
    predict_type = check_types(model_type, predict_type)
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
        found = f"{model_type}/*/{predict_type}.txt"
        raise MissingRulesError(f"{name}: a rule set was expected, found neither it nor {found}")
    return _rules(model_type, predict_type, patterns, f"{model_type}/*/{predict_type}.txt")


def parse_csv(text: str, model_type: str, predict_type: str, name: str) -> Rules:
    """
    Read a rule set from CSV text with the header `panel,keyword,match_type` or `panel,pattern`.

    Args:
        text: content of a file, with its own line breaks.
        model_type: one of `MODEL_TYPES`.
        predict_type: one of `PREDICT_TYPES`, or `author`.
        name: name of the text in messages.

    Raises:
        RulesError: a type is unknown, a line is invalid, or there is no pattern.
    """
    predict_type = check_types(model_type, predict_type)
    rows = _records(text.removeprefix("\ufeff"), name)
    line, header = next(rows, (1, []))
    places = reading.order(header, expected := HEADERS[model_type])
    if places is None:
        raise RulesError(
            f"{name}, line {line}: the header {','.join(expected)} was expected, found {excerpt(','.join(header))}"
            f"{_cause(header, expected)}"
        )
    rows = ((number, _ordered(fields, places)) for number, fields in rows)
    return _rules(model_type, predict_type, _patterns(rows, model_type, name), name)


def _text(folder: Path, name: str) -> str | None:
    """Read a file with its own line breaks; return `None` if it does not exist."""
    try:
        content = (folder / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RulesError(f"{name}: a readable file was expected, found: {error.strerror}") from None
    return reading.decoded(content, name)


def _records(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of its first line, fields) of each record that is not blank, nor states the separator."""
    stated = reading.separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=stated or ",")
    if stated:
        next(reader)
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


def _ordered(fields: list[str], places: list[int]) -> list[str]:
    """Return fields in the usual order; a record with too few or too many is returned as it is."""
    return [fields[place] for place in places] if len(fields) == len(places) else fields


def _fields_of(line: str, label: str, model_type: str) -> list[str]:
    return [label, *line.split("\t")] if model_type == "keyword_model" else [label, line]


def _patterns(rows: Iterable[tuple[int, list[str]]], model_type: str, name: str) -> Iterator[Pattern]:
    for line, fields in rows:
        try:
            yield _pattern(fields, model_type)
        except RulesError as error:
            raise RulesError(f"{name}, line {line}: {error}") from None


def _cause(fields: list[str], expected: list[str]) -> str:
    """Return the likely cause why a line has other fields than expected; empty if there is none."""
    if len(fields) == 1:
        for separator, word in ((";", "semicolons"), ("\t", "tabs")):
            if fields[0].count(separator) >= len(expected) - 1:
                return f": fields are separated by {word}, save the file with commas"
    if len(fields) > len(expected) and not "".join(fields[len(expected) :]).strip():
        return ": it ends with commas, as spreadsheets write them for empty columns; delete these columns"
    if fields in HEADERS.values():
        return ": this is the header of the other model"
    return ""


def _pattern(fields: list[str], model_type: str) -> Pattern:
    names = HEADERS[model_type]
    if len(fields) != len(names):
        raise RulesError(
            f"{len(names)} fields ({', '.join(names)}) were expected, found {len(fields)}{_cause(fields, names)}"
        )
    panel, text, *types = fields
    panel = reading.panel_name(panel)
    if panel != panel.strip() or not 0 < len(panel) <= MAX_PANEL_CHARACTERS or NOT_IN_PANELS.search(panel):
        raise RulesError(
            f"panel: 1 to {MAX_PANEL_CHARACTERS} characters without line breaks and outer blanks were expected, "
            f"found {excerpt(panel)}"
        )
    if not text:
        raise RulesError(f"a {names[1]} was expected, found an empty one")
    if types:
        return Pattern(panel, text, _match_types(types[0]))
    if wrong := expressions.fault(text):
        raise RulesError(wrong)
    return Pattern(panel, text)


def _match_types(text: str) -> tuple[str, ...]:
    found = set()
    for word in map(str.strip, reading.plain(text).split(",")):
        match_type = SYNONYMS.get(word, word)
        if match_type not in MATCH_TYPES:
            raise RulesError(f"match type {either((*MATCH_TYPES, 'absolutely'))} was expected, found {excerpt(word)}")
        found.add(match_type)
    return tuple(sorted(found, key=MATCH_TYPES.index))


def _rules(model_type: str, predict_type: str, patterns: Iterable[Pattern], name: str) -> Rules:
    distinct: dict[tuple[str, str, tuple[str, ...]], Pattern] = {}
    for pattern in patterns:
        text = fold(pattern.text) if model_type == "keyword_model" else pattern.text
        distinct.setdefault((pattern.panel, text, pattern.match_types), pattern)
    if not distinct:
        raise RulesError(f"{name}: at least one pattern was expected, found none")
    return Rules(model_type, predict_type, tuple(distinct.values()))
