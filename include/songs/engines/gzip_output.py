"""
Output folders, local or in S3: one gzip file, whose blocks are compressed in parallel, then `_SUCCESS`.

`hadoop.py` does the same for Spark.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

from include.core.storage import StoragePath, create_stream, remove_folder, remove_object, write_whole
from include.songs.engines import gzip_member
from include.songs.engines.gzip_member import Checksum
from include.songs.layout import PART, SUCCESS, UNCHECKED


def clear(folder: StoragePath) -> None:
    """Remove an output folder; `_SUCCESS` goes first, so that it never looks complete meanwhile."""
    for mark in (SUCCESS, UNCHECKED):
        remove_object(folder / mark)
    remove_folder(folder)


def write(
    folder: StoragePath,
    header: bytes,
    blocks: Iterable[bytes | memoryview],
    threads: int,
    check_permit: Callable[[], None] = lambda: None,
    mark: str = SUCCESS,
) -> None:
    """
    Write a new output folder.

    Args:
        folder: the folder, which does not exist yet.
        header: first line.
        blocks: all other lines, in order; no line is split over two blocks.
        threads: number of blocks that are compressed at a time.
        check_permit: called before the folder is marked as complete; raises if it must not be.
        mark: name of the file that marks it.
    """
    with create_stream(folder / PART) as file:
        file.write(gzip_member.HEADER)
        checksum = Checksum()
        for block, added in _compressed(chain([header], blocks), threads):
            file.write(block)
            checksum += added
        file.write(checksum.end())
    check_permit()
    write_whole(folder / mark, b"")


def _compressed(blocks: Iterable[bytes | memoryview], threads: int) -> Iterator[tuple[bytes, Checksum]]:
    """Compress blocks in parallel; yield them in order."""
    with ThreadPoolExecutor(threads, "gzip") as pool:
        waiting = deque[Any]()
        for block in blocks:
            waiting.append(pool.submit(gzip_member.compress, block))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
