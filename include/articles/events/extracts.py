"""Extracts: the rows of one event object each, in Parquet, so that each object is read only once.

The name of an extract identifies the object and its state, and holds the counts, so one listing shows which objects are
done. Extracts may be deleted at any time.
"""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
from tenacity import Retrying, before_sleep_log, retry_if_not_exception_type, stop_after_attempt, wait_exponential

from include.articles import layout
from include.articles.events.hosts import Hosts
from include.articles.events.members import NotGzipError, inflate
from include.articles.events.records import TIME_KEY, Rows, is_record
from include.core.storage import StoragePath, StoredObject, list_objects, read_bytes, write_whole

log = logging.getLogger(__name__)

FORMAT_VERSION = 2
"""Increased when lines are parsed differently, so that all extracts are written again."""
BLOCK_BYTES = 4 << 20
MAX_LINE_BYTES = 16 << 20
"""Lines longer than about this are bad."""
_BAD_LINE = b"\0"
ARCHIVED = "InvalidObjectState"
"""Error code of S3 for an object that has to be restored from an archive before it can be read."""


@dataclass(frozen=True)
class Extract:
    """Facts about an event object that are in the name of its extract."""

    name: str
    """Name below the folder of extracts, see `layout.py`; empty if nothing was written."""
    readable: bool
    """Whether the object is whole gzip; if not, all counts are 0."""
    rows: int = 0
    lines: int = 0
    """Lines that are not blank; each is a row, bad, anonymous, or of another site's host."""
    bad_lines: int = 0
    anonymous: int = 0
    """Lines without a reader."""

    @property
    def foreign(self) -> int:
        """Number of lines of other sites' hosts."""
        return self.lines - self.rows - self.bad_lines - self.anonymous

    @property
    def archived(self) -> bool:
        """Whether the object cannot be read before it is restored; it is tried again by the next run."""
        return not self.name


def key_of(name: str, stored: StoredObject, hosts: Hosts | None = None) -> str:
    """
    Return the key of an event object in its present state, which the names of its extracts begin with.

    Args:
        name: the object's name below the root of the events, `enriched/good/YYYY/MM/DD/…`.
        stored: its entry in a listing.
        hosts: the hosts whose lines are read; `None`: all.
    """
    read = f"\n{' '.join(hosts.names)}" if hosts else ""
    if hosts and hosts.format != "amp":  # which keeps the keys that it has always had
        read += f"\n{hosts.format}"
    return layout.extract_key(name, f"{FORMAT_VERSION}\n{name}\n{stored.fingerprint}{read}")


def existing(folder: StoragePath, day: date) -> dict[str, Extract]:
    """List the extracts of objects that were delivered on a UTC date, by key."""
    found = {}
    for file in list_objects(folder / day.isoformat()):
        name = f"{day}/{file}"
        if parsed := layout.parse_extract_name(name):
            key, counts = parsed
            found[key] = Extract(name, counts is not None, *(counts or ()))
    return found


def make(source: StoragePath, key: str, folder: StoragePath, hosts: Hosts | None = None) -> Extract | None:
    """
    Read an event object and write its extract.

    Args:
        source: the object.
        key: key of the object in its present state.
        folder: the folder of extracts.
        hosts: the hosts whose lines are read, besides lines without a host; `None`: all.

    Returns:
        The extract; `None` if the object does not exist, or no longer.

    Raises:
        OSError: three attempts to read the object failed.
    """
    try:
        data = _read_with_retries(source)
    except FileNotFoundError:
        log.warning("%s was deleted after it was listed", source)
        return None
    except PermissionError as error:
        if not _is_archived(error):
            raise
        log.warning("%s is archived: its lines are not counted until it is restored", source)
        return Extract("", readable=False)
    try:
        table, rows = _read(data, hosts)
    except NotGzipError as error:
        log.warning("%s is not whole gzip (%s): its lines are not counted", source, error)
        unreadable = Extract(layout.extract_name(key, None), readable=False)
        write_whole(folder / unreadable.name, f"{source}: {error}\n".encode())
        return unreadable
    counts = (len(table), rows.lines, rows.bad_lines, rows.anonymous)
    extract = Extract(layout.extract_name(key, counts), True, *counts)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_whole(folder / extract.name, buffer.getvalue())
    return extract


def load(path: StoragePath) -> pa.Table | None:
    """Return the rows of an extract; `None` if it does not exist or is damaged."""
    try:
        data = pa.BufferReader(_read_with_retries(path))
    except FileNotFoundError:
        log.warning("The extract %s was deleted", path)
        return None
    try:
        return pq.ParquetFile(data, pre_buffer=False).read(use_threads=False)  # small, and several are read at a time
    except (pa.ArrowInvalid, OSError) as error:
        log.warning("The extract %s is damaged: %s", path, error)
        return None


def _read_with_retries(path: StoragePath) -> bytes:
    """Read an object; at most three attempts, 2 s and 4 s apart."""
    attempts = Retrying(
        retry=retry_if_not_exception_type((FileNotFoundError, PermissionError)),
        stop=stop_after_attempt(3),
        wait=wait_exponential(multiplier=2),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
    return attempts(read_bytes, path)


def _read(data: bytes, hosts: Hosts | None = None) -> tuple[pa.Table, Rows]:
    """Parse gzip, holding only one decompressed block and the rows in memory."""
    format = hosts.format if hosts else "amp"
    rows = Rows(hosts, format)
    tables = [rows.take()]
    for lines in _blocks(data, format):
        rows.add_lines(lines)
        tables.append(rows.take())
    return pa.concat_tables(tables).unify_dictionaries(), rows


def _blocks(data: bytes, format: str = "amp") -> Iterator[list[bytes]]:
    rest = b""
    for block in inflate(data, BLOCK_BYTES):
        if block:
            *lines, rest = (rest + block).split(b"\n")
            yield lines
        elif is_record(
            rest, format
        ):  # the last line of a member needs no newline, but a line may go on in the next member
            yield [rest]
            rest = b""
        if len(rest) > MAX_LINE_BYTES:  # input that is not JSON lines must not fill the memory
            rest = _BAD_LINE + TIME_KEY * rest.count(TIME_KEY)
    yield [rest]


def _is_archived(error: BaseException) -> bool:
    response = getattr(error.__cause__, "response", None) or {}
    return response.get("Error", {}).get("Code") == ARCHIVED
