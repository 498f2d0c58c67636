"""Parquet files written from a stream, checked on the way: whole or not at all, in constant memory."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from include.core.remote import Body, UnreachableError
from include.core.storage import StoragePath, remove_asides, write_stream
from include.core.text import shown
from include.songs.schemas import NotParquetError

log = logging.getLogger(__name__)

MAGIC = b"PAR1"
FOOTER_BYTES = 8
"""The end of a file: length of the metadata in four bytes, little-endian, and the magic."""


class CutOffError(NotParquetError):
    """The file begins as Parquet but does not end so: perhaps it has not come whole."""


@contextmanager
def receive(name: str, body: Body, target: StoragePath, aside: StoragePath) -> Iterator[tuple[str, int]]:
    """
    Write a file that replaces *target* at the end of the block. Until then, and after an error, *target* stays.

    Args:
        name: of the remote file, for messages.
        body: its content.
        target: the path.
        aside: path of the file while it is written; see `include.core.storage.write_stream`.

    Yields:
        Sha256 and length in bytes, when all has come.

    Raises:
        NotParquetError: the content is not Parquet.
        CutOffError: its end is missing or damaged.
        UnreachableError: it is shorter or longer than was announced, or reading failed.
        OSError: the file cannot be written, for example because the disk is full.
    """
    digest, size, tail = hashlib.sha256(), 0, b""
    with write_stream(target, aside) as file:
        for block in body.blocks:
            if not size and not MAGIC.startswith(block[: len(MAGIC)]):
                raise NotParquetError(f"{name} is not Parquet: it begins with {shown(block[:40])}")
            file.write(block)
            digest.update(block)
            size += len(block)
            tail = (tail + block[-FOOTER_BYTES:])[-FOOTER_BYTES:]
        if body.size is not None and size != body.size:
            raise UnreachableError(f"{name}: {body.size} bytes were announced, {size} came")
        _check_end(name, size, tail)
        yield digest.hexdigest(), size


def remove_leftovers(aside: StoragePath) -> None:
    """Remove what a killed `receive` left at *aside*; one that is under way elsewhere fails then."""
    for left in remove_asides(aside):
        log.info("Removed %s, left over by a download that was killed", left)


def _check_end(name: str, size: int, tail: bytes) -> None:
    if size < 2 * len(MAGIC) + 4 or not tail.endswith(MAGIC):
        raise CutOffError(
            f"{name} is not whole: {size} bytes that end with {shown(tail[-len(MAGIC) :])}, not {MAGIC!r}"
        )
    length = int.from_bytes(tail[:4], "little")
    if length + FOOTER_BYTES + len(MAGIC) > size:
        raise CutOffError(f"{name} is not whole: {size} bytes, and a footer of {length} was announced")
