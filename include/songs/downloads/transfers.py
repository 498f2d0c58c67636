"""Parquet files written from a stream and checked meanwhile: whole or not at all, in constant memory."""

import hashlib
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

from include.core.errors import BadDataError
from include.core.remote import Body, IncompleteError
from include.core.storage import StoragePath, remove_asides, write_stream
from include.songs.schemas import FOOTER_BYTES, MAGIC, NotParquetError

log = logging.getLogger(__name__)


class CutOffError(IncompleteError):
    """A file begins as Parquet but does not end so: perhaps it is still being written."""


class TooLargeError(BadDataError):
    """A file is larger than the settings allow."""


@contextmanager
def receive(
    name: str, body: Body, target: StoragePath, aside: StoragePath, max_megabytes: float = math.inf
) -> Iterator[tuple[str, int]]:
    """
    Write a file that replaces *target* at the end of the block; until then, and after an error, *target* is unchanged.

    Args:
        name: of the remote file, for messages.
        body: its content.
        target: path of the file.
        aside: path of the file while it is written; see `include.core.storage.write_stream`.
        max_megabytes: largest size, in millions of bytes.

    Yields:
        Sha256 and length in bytes, once the file is complete.

    Raises:
        NotParquetError: the content is not Parquet.
        TooLargeError: it is too large.
        CutOffError: its end is missing or damaged.
        IncompleteError: it is shorter or longer than announced.
        UnreachableError: reading failed.
        OSError: the file cannot be written, for example because the disk is full.
    """
    digest, size, tail = hashlib.sha256(), 0, b""
    _check_size(name, body.size or 0, max_megabytes)
    with write_stream(target, aside) as file:
        for block in body.blocks:
            if not size and not MAGIC.startswith(block[: len(MAGIC)]):
                raise NotParquetError(f"{name} is not Parquet: it does not begin with {MAGIC.decode()}")
            size += len(block)
            _check_size(name, size, max_megabytes)
            file.write(block)
            digest.update(block)
            tail = (tail + block[-FOOTER_BYTES:])[-FOOTER_BYTES:]
        if body.size is not None and size != body.size:
            raise IncompleteError(f"{name}: {body.size} bytes were announced, {size} received")
        _check_end(name, size, tail)
        yield digest.hexdigest(), size


def remove_leftovers(aside: StoragePath) -> None:
    """Remove what a killed `receive` left at *aside*; a `receive` that is still running there fails."""
    for left in remove_asides(aside):
        log.info("Removed %s, left over by a download that was killed", left)


def _check_size(name: str, size: int, max_megabytes: float) -> None:
    if size > max_megabytes * 1e6:
        raise TooLargeError(
            f"{name}: at most {max_megabytes:g} MB were expected (SONGS_MAX_DOWNLOAD_MEGABYTES), found more"
        )


def _check_end(name: str, size: int, tail: bytes) -> None:
    if size < 2 * len(MAGIC) + 4 or not tail.endswith(MAGIC):
        raise CutOffError(f"{name} is not complete: {size} bytes that do not end with {MAGIC.decode()}")
    length = int.from_bytes(tail[:4], "little")
    if length + FOOTER_BYTES + len(MAGIC) > size:
        raise CutOffError(f"{name} is not complete: {size} bytes, but a footer of {length}")
