"""Damage of the training table: which of its files is not what was written, and how it is mended."""

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import CommitFailedError, DeltaError

from include.core.errors import DamagedObjectError
from include.core.storage import Store, StoredObject, list_objects, read_bytes
from include.ratings.data.rows import Rating

RESTORE = "restore it from a backup"
REMOVE = "remove it and _last_checkpoint beside it: the versions before it are all there"


def check_log(store: Store) -> None:
    """Raise `DamagedObjectError` if a file of the log is empty, which Delta passes over: its rows would be missing."""
    for name, stored in _log(store).items():
        if stored.size == 0:
            raise DamagedObjectError(_message(store, name, "it is empty"))


@contextmanager
def naming_damage(store: Store) -> Iterator[None]:
    """Raise `DamagedObjectError` instead of an error of Delta if a file of the log is damaged, and of a panic."""
    try:
        yield
    except CommitFailedError:  # another run was faster
        raise
    except BaseException as error:
        if not isinstance(error, DeltaError | OSError | ValueError) and not is_panic(error):
            raise
        if found := _damaged_log_file(store, str(error)):
            raise DamagedObjectError(found) from error
        if is_panic(error):  # it is no `Exception`, and nothing would handle it
            raise DamagedObjectError(f"{store.url}: Delta cannot handle the table: {error}; {RESTORE}") from error
        raise


def is_panic(error: BaseException) -> bool:
    """Return whether *error* is a panic of a library in Rust, whose class cannot be imported."""
    return type(error).__name__ == "PanicException"


def check_values(table: pa.Table) -> None:
    """Raise `ValueError` if text is not UTF-8 or a value is missing, as after a flipped bit."""
    table.validate(full=True)
    if missing := [name for name in table.column_names if table[name].null_count]:
        raise ValueError(f"values of the columns {', '.join(missing)} are missing")


def checksum(row: Rating, file: str, line: int) -> int:
    """Return the crc32 of a row and its place."""
    user, movie, stars, timestamp = row
    return zlib.crc32(f"{user} {movie} {stars!r} {timestamp} {file} {line}".encode())


def is_whole(data: bytes) -> bool:
    """Return whether *data* are a table file whose rows all have their checksum."""
    try:
        rows = pq.read_table(pa.BufferReader(data)).to_pylist()
        return all(
            checksum(Rating(row["user"], row["movie"], row["stars"], row["timestamp"]), row["file"], row["line"])
            == row["checksum"]
            for row in rows
        )
    except (OSError, ValueError, KeyError):  # a flipped bit may change the name of a column
        return False


def _log(store: Store) -> Mapping[str, StoredObject]:
    found = list_objects(store.path / "_delta_log")
    return {name: each for name, each in found.items() if name.endswith((".json", ".parquet"))}


def _damaged_log_file(store: Store, error: str) -> str | None:
    names = list(_log(store))
    versions = sorted(int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdigit())
    for expected, version in enumerate(versions, start=versions[0] if versions else 0):
        if version != expected:
            return _message(store, f"{expected:020}.json", "it is missing")
    for name in reversed(names):  # the newest are more likely
        try:
            _parse(name, read_bytes(store.path / "_delta_log" / name))
        except (OSError, ValueError) as reason:
            return _message(store, name, str(reason))
    checkpoints = [name for name in names if name.endswith(".parquet")]
    if checkpoints and "Parquet" in error:  # of which Arrow finds nothing wrong
        return _message(store, checkpoints[-1], error)
    return None


def _parse(name: str, data: bytes) -> Any:
    if name.endswith(".parquet"):
        return pq.read_table(pa.BufferReader(data)).validate(full=True)
    if not data.strip():
        raise ValueError("it is empty")
    return [json.loads(line) for line in data.splitlines()]


def _message(store: Store, name: str, reason: str) -> str:
    mend = REMOVE if name.endswith(".parquet") else RESTORE
    return f"{store.path / '_delta_log' / name} is damaged: {' '.join(reason.split())[:200]}; {mend}"
