"""Extracts: the rows of one event object each, in Parquet, so that an object is read once.

The name of an extract says which object it was made of, as it was then, and what was counted: one listing tells which
objects are done. Extracts may be deleted at any time.
"""

import gzip
import hashlib
import io
import logging
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
from tenacity import Retrying, before_sleep_log, retry_if_not_exception_type, stop_after_attempt, wait_exponential

from include.articles.records import Rows
from include.core.storage import StoragePath, StoredObject, list_objects, read_bytes, write_whole

log = logging.getLogger(__name__)

READING = 1
"""Raised when lines are read in another way: all extracts are made anew."""
BLOCK_BYTES = 4 << 20
LINE_BYTES = 16 << 20
"""Lines of more than about this length are bad."""
_BAD_LINE = b"\0"
_NAME = re.compile(r"([0-9a-f]{32})-(?:(\d+)-(\d+)-(\d+)-(\d+)\.parquet|unreadable\.txt)")
_NOT_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)


@dataclass(frozen=True)
class Extract:
    """What is known of an event object without opening it."""

    name: str
    """Below the folder of extracts: `<date>/<checksum>-<rows>-<lines>-<bad lines>-<anonymous>.parquet`."""
    readable: bool
    """Whether the object is whole gzip; if not, all numbers are 0."""
    rows: int = 0
    lines: int = 0
    """Lines that are not blank; each is a row, bad or anonymous."""
    bad_lines: int = 0
    anonymous: int = 0
    """Lines without a reader."""


def key(name: str, stored: StoredObject) -> str:
    """
    Give what the names of all extracts of an event object, as it is now, begin with.

    Args:
        name: the object's name below the root of the events, `enriched/good/YYYY/MM/DD/…`.
        stored: what a listing says about it.
    """
    state = f"{READING}\n{name}\n{stored.fingerprint}"
    return f"{'-'.join(name.split('/')[2:5])}/{hashlib.sha256(state.encode()).hexdigest()[:32]}"


def known(folder: StoragePath, day: date) -> dict[str, Extract]:
    """List the extracts of objects that were delivered on a UTC date, by key."""
    matches = (_NAME.fullmatch(name) for name in list_objects(folder / day.isoformat()))
    return {f"{day}/{match[1]}": _described(day.isoformat(), match) for match in matches if match}


def _described(day: str, match: re.Match[str]) -> Extract:
    numbers = () if match[2] is None else map(int, match.groups()[1:])
    return Extract(f"{day}/{match[0]}", match[2] is not None, *numbers)


def make(source: StoragePath, key: str, folder: StoragePath) -> Extract | None:
    """
    Read an event object and write its extract.

    Args:
        source: the object.
        key: of the object as it is now.
        folder: the folder of extracts.

    Returns:
        `None` if there is no such object (any more).

    Raises:
        OSError: it could not be read, three times.
    """
    try:
        data = _read_patiently(source)
    except FileNotFoundError:
        log.warning("%s was deleted after it was listed", source)
        return None
    try:
        table, rows = _read(data)
    except _NOT_GZIP as error:
        log.warning("%s is not whole gzip (%s), none of its lines count", source, error)
        write_whole(folder / f"{key}-unreadable.txt", f"{source}: {error}\n".encode())
        return Extract(f"{key}-unreadable.txt", readable=False)
    counts = (len(table), rows.lines, rows.bad_lines, rows.anonymous)
    extract = Extract(f"{key}-{'-'.join(map(str, counts))}.parquet", True, *counts)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_whole(folder / extract.name, buffer.getvalue())
    return extract


def load(path: StoragePath) -> pa.Table | None:
    """Read the rows of an extract; `None` when it is not there or damaged."""
    try:
        data = pa.BufferReader(_read_patiently(path))
    except FileNotFoundError:
        log.warning("The extract %s was deleted", path)
        return None
    try:
        return pq.ParquetFile(data, pre_buffer=False).read(use_threads=False)  # small, and read side by side
    except (pa.ArrowInvalid, OSError) as error:
        log.warning("The extract %s is damaged: %s", path, error)
        return None


def _read_patiently(path: StoragePath) -> bytes:
    """Read an object, at most three times, with 2 s and 4 s in between."""
    attempts = Retrying(
        retry=retry_if_not_exception_type((FileNotFoundError, PermissionError)),
        stop=stop_after_attempt(3),
        wait=wait_exponential(multiplier=2),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
    return attempts(read_bytes, path)


def _read(data: bytes) -> tuple[pa.Table, Rows]:
    """Read gzip; besides *data* only one block is held, and the rows."""
    rows = Rows()
    tables = [rows.take()]
    for lines in _blocks(data):
        rows.add_lines(lines)
        tables.append(rows.take())
    return pa.concat_tables(tables).unify_dictionaries(), rows


def _blocks(data: bytes) -> Iterator[list[bytes]]:
    rest = b""
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        while block := file.read(BLOCK_BYTES):
            *lines, rest = (rest + block).split(b"\n")
            yield lines
            if len(rest) > LINE_BYTES:  # nothing that is not JSON lines may fill the memory
                rest = _BAD_LINE
    yield [rest]
