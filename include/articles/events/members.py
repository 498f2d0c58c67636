"""Gzip of several members: its text in bounded parts, and where each member ends."""

import logging
import zlib
from collections.abc import Generator, Iterator

log = logging.getLogger(__name__)

MAGIC = b"\x1f\x8b"
FIRST_FEED_BYTES, FEED_BYTES = 1 << 12, 1 << 20
"""Compressed bytes that are decompressed at a time: few at first, since what follows a short member is copied."""


class NotGzipError(Exception):
    """Data are not gzip, or their end or a part of them is missing or damaged."""


def inflate(data: bytes, part_bytes: int) -> Iterator[bytes]:
    """
    Yield the text of gzip in parts; an empty part follows the last part of each member.

    Bytes after the last member that do not begin another one are left out and logged, as by `gzip`.

    Args:
        data: the members, one after another.
        part_bytes: maximum length of a part.

    Raises:
        NotGzipError: the first member is not gzip, or a member is damaged or incomplete; parts may have been yielded.
    """
    if not data.startswith(MAGIC):
        raise NotGzipError(f"gzip was expected, found bytes that begin with {data[:4].hex(' ')}")
    position = 0
    while data.startswith(MAGIC, position):
        position = yield from _member(data, position, part_bytes)
        yield b""
        while data.startswith(b"\0", position):  # padding
            position += 1
    if position < len(data):
        log.warning("%d bytes after the end of the gzip are left out", len(data) - position)


def _member(data: bytes, begin: int, part_bytes: int) -> Generator[bytes, None, int]:
    """Yield the text of a member in parts; return where it ends."""
    inflater, position, pending, feed_bytes = zlib.decompressobj(wbits=31), begin, b"", FIRST_FEED_BYTES
    while not inflater.eof:
        if not pending:
            pending = data[position : position + feed_bytes]
            position += len(pending)
            feed_bytes = min(2 * feed_bytes, FEED_BYTES)
        try:
            part = inflater.decompress(pending, part_bytes)
        except zlib.error as error:
            raise NotGzipError(f"the member at byte {begin} is damaged: {error}") from None
        if not part and not pending and not inflater.eof:
            raise NotGzipError(f"the member at byte {begin} has no end")
        pending = inflater.unconsumed_tail
        if part:
            yield part
    return position - len(inflater.unused_data)
