"""The source map: the result tables that rows of a source go to."""

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from include.core.errors import BadDataError
from include.core.text import excerpt

log = logging.getLogger(__name__)

TABLES = (
    "Comment", "Dcard", "Instagram", "Ptt", "Tiktok", "Twitter", "Youtube", "blog", "fbfans", "fbgroup", "fbkol",
    "fbpm", "fbprivategroup", "forum", "news", "plurk", "video",
)  # fmt: skip
"""All possible result tables, in the order of the shipped map."""


class SourceMapError(BadDataError):
    """The source map is invalid."""


@dataclass(frozen=True)
class SourceMap:
    """Result tables and their sources; a source may belong to several tables."""

    tables: tuple[str, ...]
    """Names of the result tables, in file order."""
    members: tuple[tuple[str, ...], ...]
    """Distinct s_ids of each table, in file order."""

    def tables_of(self, s_id: str) -> tuple[int, ...]:
        """Return the ascending indexes into `tables` of *s_id*, empty if it is unmapped; case-sensitive."""
        return self._indexes.get(s_id, ())

    @property
    def s_ids(self) -> tuple[str, ...]:
        """All distinct mapped s_ids, in file order."""
        return tuple(self._indexes)

    @property
    def overlaps(self) -> dict[str, tuple[str, ...]]:
        """The s_ids of several tables, with the names of the tables."""
        return {
            s_id: tuple(self.tables[index] for index in indexes)
            for s_id, indexes in self._indexes.items()
            if len(indexes) > 1
        }

    @property
    def checksum(self) -> str:
        """SHA-256 of `as_json()`, 64 hexadecimal digits."""
        return hashlib.sha256(self.as_json().encode()).hexdigest()

    def as_json(self) -> str:
        """Return the map as ASCII JSON without blanks; `parse` reads it back."""
        return json.dumps(dict(zip(self.tables, self.members, strict=True)), separators=(",", ":"))

    @cached_property
    def _indexes(self) -> dict[str, tuple[int, ...]]:
        indexes: dict[str, tuple[int, ...]] = {}
        for index, s_ids in enumerate(self.members):
            for s_id in s_ids:
                indexes[s_id] = (*indexes.get(s_id, ()), index)
        return indexes


def read(path: Path) -> SourceMap:
    """
    Read a map from a file, and log the sources of several tables.

    Raises:
        SourceMapError: the file cannot be read or is invalid; the message names the file without its folder.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SourceMapError(f"{path.name}: a readable file was expected, found: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceMapError(f"{path.name}: UTF-8 text was expected, found other bytes") from None
    parsed = parse(text, path.name)
    for s_id, tables in parsed.overlaps.items():
        log.info("%s: rows of %s are written to several tables: %s", path.name, s_id, ", ".join(tables))
    return parsed


def parse(text: str, name: str) -> SourceMap:
    """
    Read a map from JSON: an object with a list of s_ids for each table.

    Args:
        text: the JSON text.
        name: name of the text in messages.

    Raises:
        SourceMapError: it is not JSON or not of this form, repeats a table, or has one that is not in `TABLES`.
    """

    def members(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise SourceMapError(f"{name}: distinct tables were expected, found {excerpt(key)} twice")
            found[key] = value
        return found

    try:
        content = json.loads(text, object_pairs_hook=members)
    except SourceMapError:
        raise
    except json.JSONDecodeError as error:
        raise SourceMapError(f"{name}, line {error.lineno}: JSON was expected: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise SourceMapError(f"{name}: JSON was expected: {error}") from None
    if not isinstance(content, dict) or not content:
        raise SourceMapError(f"{name}: an object with a list for each table was expected, found {excerpt(content)}")
    for table, s_ids in content.items():
        if table not in TABLES:
            raise SourceMapError(f"{name}: a table of {', '.join(TABLES)} was expected, found {excerpt(table)}")
        if not isinstance(s_ids, list):
            raise SourceMapError(f"{name}, {table}: a list of s_ids was expected, found {excerpt(s_ids)}")
        for s_id in s_ids:
            if not isinstance(s_id, str) or not s_id:
                raise SourceMapError(f"{name}, {table}: a non-empty string was expected, found {excerpt(s_id)}")
    return SourceMap(tuple(content), tuple(tuple(dict.fromkeys(s_ids)) for s_ids in content.values()))
