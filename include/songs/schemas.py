"""
Columns and types of both sources and both outputs.

Types are named as Spark names them; Parquet's INT96 is a `timestamp`.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from include.core.errors import BadDataError

SourceName = Literal["spins", "listeners"]

SPINS = {
    "fake_artist_id": "int",
    "artist_name": "string",
    "fake_track_id": "int",
    "track_title": "string",
    "date_time": "timestamp",
    "elapsed_seconds": "int",
    "play_source": "string",
    "fake_listener_id": "int",
}
"""One row per play; any value may be missing."""
LISTENERS = {
    "fake_listener_id": "int",
    "age": "string",
    "gender": "string",
    "subscription_type": "string",
    "country": "string",
    "fake_zipcode": "int",
}
"""One row per listener; any value may be missing, and a listener may have several rows."""
KEY = "fake_listener_id"
"""Joins plays to listeners."""
DATASET = {KEY: SPINS[KEY], **SPINS, **LISTENERS}
"""One row per long play and row of its listener: the key, the rest of the play, the rest of the listener."""
GROUP = ("fake_zipcode", "subscription_type")
ANALYSIS = {**{name: LISTENERS[name] for name in GROUP}, "spins": "bigint"}
"""One row per zip code and subscription type, with its number of dataset rows."""

MAGIC = b"PAR1"
"""Begins and ends a Parquet file."""
FOOTER_BYTES = 8
"""The end of a file: length of the metadata in four bytes, little-endian, and the magic."""

_EXPECTED = {"timestamp": "a timestamp with a time zone"}
"""Type → its name in messages, if it is another one."""

BLANKED = "\t\r\n\0"
"""Characters that become a blank in the output, so that each row is one line with the same number of fields."""


class SourceError(BadDataError):
    """
    A source cannot be used.

    Args:
        message: what is wrong with which file.
        source: the source, if its copy in storage is meant.
    """

    def __init__(self, message: str, source: SourceName | None = None) -> None:
        super().__init__(message)
        self.source: SourceName | None = source


class SchemaError(SourceError):
    """A source lacks a column or has one of another type."""


class NotParquetError(SourceError):
    """A source is not a Parquet file, or a damaged one."""


DAMAGED = "the Parquet file is damaged: its content cannot be read"
"""Of a file whose footer is right."""


def check(source: SourceName, path: str, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """
    Check the columns of a source; further columns are allowed.

    Args:
        source: the source.
        path: of its file, for the message.
        found: name → type of its columns.
        expected: name → type of the required columns.

    Raises:
        SchemaError: names each column that is missing or has another type.
    """
    wrong = [
        f"column {name}: {_EXPECTED.get(kind, kind)} was expected, found {found.get(name, 'no such column')}"
        for name, kind in expected.items()
        if found.get(name) != kind
    ]
    if wrong:
        raise SchemaError(f"{source} {path}: {'; '.join(wrong)}", source)


def header(columns: Iterable[str]) -> bytes:
    """Return the first line of an output."""
    return ("\t".join(columns) + "\n").encode()
