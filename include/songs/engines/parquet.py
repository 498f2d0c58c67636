"""
Footers of Parquet sources, checked for both engines in the same words.

Only the schema of the format itself counts: not what a writer notes beside it, such as Arrow's own schema, and not the
folders of the path.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.text import excerpt
from include.songs.schemas import NotParquetError, SchemaError, SourceName, check

CODECS = {"UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "LZ4"}
"""Compressions that both engines read."""
ENCODINGS = {
    "PLAIN",
    "PLAIN_DICTIONARY",
    "RLE",
    "RLE_DICTIONARY",
    "BIT_PACKED",
    "DELTA_BINARY_PACKED",
    "DELTA_LENGTH_BYTE_ARRAY",
    "DELTA_BYTE_ARRAY",
}
"""Encodings that both engines read."""
_PHYSICAL = {"INT32": "int", "INT64": "bigint", "INT96": "timestamp", "BYTE_ARRAY": "binary"}
_INTEGERS = {
    (8, True): "tinyint",
    (16, True): "smallint",
    (32, True): "int",
    (64, True): "bigint",
    (8, False): "smallint",
    (16, False): "int",
    (32, False): "bigint",
}
"""Bits and whether it has a sign → the type that holds all values."""


def check_footer(source: SourceName, path: str, file: Path | IO[bytes], columns: Mapping[str, str]) -> None:
    """
    Check that both engines can read a source, as far as its footer tells.

    Args:
        source: the source.
        path: of the file, for messages.
        file: the file; its footer is enough, behind the four bytes that a file begins with.
        columns: name → type of the required columns.

    Raises:
        NotParquetError: it is not Parquet, or its footer is damaged.
        SchemaError: a column is missing, has another type, has the name of another one, or is written in a way that
            one of the engines does not read.
        OSError: the file cannot be read.
    """
    with readable(source, path, "a Parquet file was expected, found something else or a damaged footer"):
        metadata = pq.read_metadata(file)
    leaves = [metadata.schema.column(number) for number in range(metadata.num_columns)]
    _check_names(source, path, leaves)
    check(source, path, {leaf.path.partition(".")[0]: _type(leaf) for leaf in leaves}, columns)
    for group in (metadata.row_group(number) for number in range(metadata.num_row_groups)):
        for number, leaf in enumerate(leaves):
            if leaf.path in columns:
                _check_coding(source, path, leaf.path, group.column(number))


@contextmanager
def readable(source: SourceName, path: str, message: str) -> Iterator[None]:
    """Raise `NotParquetError` with a message if the content of a file is wrong; not if it cannot be reached."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # of the system; those of Arrow have no number
            raise
        raise NotParquetError(f"{source} {path}: {message}", source) from error


def _check_names(source: SourceName, path: str, leaves: list[Any]) -> None:
    """Check that no two columns differ by case alone: neither engine tells them apart."""
    counts = Counter(leaf.path.lower() for leaf in leaves)
    if twice := [name for name, count in counts.items() if count > 1]:
        found = ", ".join(excerpt(name) for name in sorted(twice)[:5])
        raise SchemaError(f"{source} {path}: columns with different names were expected, found twice: {found}", source)


def _check_coding(source: SourceName, path: str, name: str, chunk: Any) -> None:
    for what, found, known in (
        ("compression", {chunk.compression}, CODECS),
        ("encoding", set(chunk.encodings), ENCODINGS),
    ):
        if wrong := found - known:
            listed = f"{', '.join(sorted(known))} was expected, found {', '.join(sorted(wrong))}"
            raise SchemaError(f"{source} {path}: column {name}: {what} {listed}", source)


def _type(leaf: Any) -> str:
    """Return the type of a column, named as Spark names it."""
    if leaf.path != leaf.name or leaf.max_repetition_level:
        return "nested columns"
    logical, details = leaf.logical_type.type, json.loads(leaf.logical_type.to_json())
    physical: str = _PHYSICAL.get(leaf.physical_type) or leaf.physical_type.lower()
    if logical == "NONE":
        return physical
    if logical in ("STRING", "ENUM", "JSON"):
        return "string"
    if logical == "INT":
        return _INTEGERS.get((details["bitWidth"], details["isSigned"]), "decimal(20,0)")
    if logical != "TIMESTAMP":
        return logical.lower()
    if details["timeUnit"] not in ("milliseconds", "microseconds"):
        return f"one in {details['timeUnit']}, of which only milliseconds and microseconds are read"
    return "timestamp" if details["isAdjustedToUTC"] else "one without a time zone (timestamp_ntz)"
