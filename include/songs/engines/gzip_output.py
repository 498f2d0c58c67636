"""Output folders, local or in S3: one gzip file of members that are compressed side by side, then `_SUCCESS`.

Gzip files joined byte for byte are a gzip file. Spark's part of this is in `hadoop.py`.
"""

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

from include.core.storage import StoragePath, create_stream, remove_folder, write_whole
from include.songs.schemas import PART, SUCCESS

GZIP_LEVEL = 4
"""Half the time of level 6, which is usual, for 7 % more bytes."""
_GZIP = 31  # zlib's name for a gzip member


def clear(folder: StoragePath) -> None:
    """Remove an output folder, complete or not; first of all what says that it is complete."""
    (folder / SUCCESS).unlink(missing_ok=True)
    remove_folder(folder)


def write(
    folder: StoragePath,
    header: bytes,
    blocks: Iterable[bytes | memoryview],
    threads: int,
    ask: Callable[[], None] = lambda: None,
) -> None:
    """
    Write an output folder that is not there yet.

    Args:
        folder: where.
        header: first line.
        blocks: all other lines, in order, each in one block; a block becomes a member.
        threads: blocks that are compressed at a time.
        ask: whether it may be complete; if not, it raises.
    """
    with create_stream(folder / PART) as file:
        for member in _members(chain([header], blocks), threads):
            file.write(member)
    ask()
    write_whole(folder / SUCCESS, b"")


def _members(blocks: Iterable[bytes | memoryview], threads: int) -> Iterator[bytes]:
    """Compress blocks side by side; give them in order."""
    with ThreadPoolExecutor(threads, "gzip") as pool:
        waiting = deque[Any]()
        for block in blocks:
            waiting.append(pool.submit(zlib.compress, block, GZIP_LEVEL, _GZIP))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
