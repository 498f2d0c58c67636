"""What goes in and what comes out: columns and types of both sources, columns and files of both outputs.

Types are named as Spark names them; an INT96 of Parquet is a `timestamp`.
"""

from collections.abc import Iterable, Mapping

from include.core.errors import BadDataError

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
"""A row a play; any value may be missing."""
LISTENERS = {
    "fake_listener_id": "int",
    "age": "string",
    "gender": "string",
    "subscription_type": "string",
    "country": "string",
    "fake_zipcode": "int",
}
"""A row a listener; any value may be missing, a listener may stand there several times."""
KEY = "fake_listener_id"
"""What a play and its listener have in common."""
DATASET = {KEY: SPINS[KEY], **SPINS, **LISTENERS}
"""A row a long play and row of its listener: the key, the rest of the play, the rest of the listener."""
GROUP = ("fake_zipcode", "subscription_type")
ANALYSIS = {**{name: LISTENERS[name] for name in GROUP}, "spins": "bigint"}
"""A row a zip code and subscription type: the rows of the dataset that have both."""

PART, SUCCESS = "part-00000.csv.gz", "_SUCCESS"
"""The two files of an output folder; the second is written last."""
BLANKED = "\t\r\n\0"
"""Characters of texts that become a blank in the output, so that a row is a line of so many fields."""


class SchemaError(BadDataError):
    """A source lacks a column or has one of another type."""


class NotParquetError(BadDataError):
    """A source is not a Parquet file."""


def check(source: str, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """
    Check the columns of a source; others than the expected ones do not matter.

    Args:
        source: what it is and where, for the message.
        found: name → type of its columns.
        expected: name → type of those that it has to have.

    Raises:
        SchemaError: names each column that is missing or has another type.
    """
    wrong = [
        f"column {name}: {kind} was expected, found {found.get(name, 'no such column')}"
        for name, kind in expected.items()
        if found.get(name) != kind
    ]
    if wrong:
        raise SchemaError(f"{source}: {'; '.join(wrong)}")


def header(columns: Iterable[str]) -> bytes:
    """Give the first line of an output."""
    return ("\t".join(columns) + "\n").encode()
