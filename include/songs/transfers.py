"""Files put in their place from a stream: whole, checked to be Parquet, or not at all; in constant memory."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from include.core.storage import StoragePath, remove_asides, write_stream
from include.core.text import shown
from include.songs.schemas import NotParquetError
from include.songs.sources import Body, NotReady, NotReadyError

log = logging.getLogger(__name__)

MAGIC = b"PAR1"
FOOTER_BYTES = 8
"""At the end: length of the description in four bytes, least first, and the magic."""


class CutOffError(NotParquetError):
    """It begins as Parquet and does not end so: perhaps it has not come whole."""


@contextmanager
def received(name: str, body: Body, target: StoragePath, aside: StoragePath) -> Iterator[tuple[str, int]]:
    """
    Write a file; at the end of the block it takes its place. Until then, and after an error, what was there stays.

    Args:
        name: of the source, for messages.
        body: its content.
        target: the place.
        aside: where the file is while it is written, on the same file system, with an ending; S3 needs no such place.

    Yields:
        Sha256 and length in bytes, when all has come.

    Raises:
        NotParquetError: the content is something else.
        CutOffError: its end is missing or damaged.
        NotReadyError: it is shorter or longer than was announced, or reading has failed.
        OSError: the place cannot be written, for example because the disk is full.
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
            reason = f"{name}: {body.size} bytes were announced, {size} came"
            raise NotReadyError(NotReady(reason, passing=True))
        _check_end(name, size, tail)
        yield digest.hexdigest(), size


def sweep(aside: StoragePath) -> None:
    """Remove what `received` has left at *aside* if it was killed; one that is under way elsewhere fails then."""
    for left in remove_asides(aside):
        log.info("Removed %s, of a download that was ended", left)


def _check_end(name: str, size: int, tail: bytes) -> None:
    if size < 2 * len(MAGIC) + 4 or not tail.endswith(MAGIC):
        raise CutOffError(
            f"{name} is not whole: {size} bytes that end with {shown(tail[-len(MAGIC) :])}, not {MAGIC!r}"
        )
    length = int.from_bytes(tail[:4], "little")
    if length + FOOTER_BYTES + len(MAGIC) > size:
        raise CutOffError(f"{name} is not whole: {size} bytes, and a footer of {length} was announced")
