"""Sources with texts that are not UTF-8: the bytes that are not become U+FFFD, as Spark's `make_valid_utf8` does."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from include.songs.engines.parquet import readable
from include.songs.schemas import DAMAGED, SourceName

BATCH_ROWS = 65_536


def rewrite(source: SourceName, path: Path, target: Path, columns: Mapping[str, str]) -> None:
    """
    Copy the columns of a source to a new Parquet file in which all texts are UTF-8.

    The new file has one further column: `replaced`, whether a text of the row was not UTF-8.

    Args:
        source: the source.
        path: its file.
        target: the new file.
        columns: name → type of the columns.

    Raises:
        NotParquetError: the file is damaged.
        OSError: the file cannot be read, or the new one cannot be written.
    """
    with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
        empty = file.schema_arrow.empty_table().select(list(columns))
        schema = _valid(empty.combine_chunks(), columns).schema
        with pq.ParquetWriter(target, schema, store_schema=False) as writer:
            for batch in _batches(source, path, file, list(columns)):
                writer.write_table(_valid(batch, columns))


def _batches(source: SourceName, path: Path, file: pq.ParquetFile, columns: list[str]) -> Iterator[pa.Table]:
    batches = file.iter_batches(BATCH_ROWS, columns=columns)
    while True:
        with readable(source, str(path), DAMAGED):
            batch = next(batches, None)
        if batch is None:
            return
        yield pa.Table.from_batches([batch])


def _valid(rows: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    arrays: dict[str, Any] = {}
    replaced = [False] * len(rows)
    for name, kind in columns.items():
        arrays[name] = rows[name].combine_chunks()
        if kind == "string":
            values = arrays[name]
            values = (values.dictionary_decode() if pa.types.is_dictionary(values.type) else values).cast(pa.binary())
            try:
                arrays[name] = values.cast(pa.string())
            except pa.ArrowInvalid:
                arrays[name] = _replace(values.to_pylist(), replaced)
    return pa.table(arrays | {"replaced": pa.array(replaced, pa.bool_())})


def _replace(values: list[bytes | None], replaced: list[bool]) -> pa.Array:
    texts = [None if value is None else value.decode("utf-8", "replace") for value in values]
    for row, (value, text) in enumerate(zip(values, texts, strict=True)):
        replaced[row] |= text is not None and text.encode() != value
    return pa.array(texts, pa.string())
