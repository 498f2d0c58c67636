"""The outputs of a day as others read them: of complete days only, local or in S3."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import IO

from include.core.errors import DamagedObjectError
from include.core.storage import StoragePath, StoredObject, find_object, list_objects, open_read
from include.songs.layout import ANY_PART, SUCCESS, counts_folder, dataset_folder
from include.songs.schemas import ANALYSIS, header

BLOCK_BYTES = 1 << 20
"""How much is read at a time."""

FolderOf = Callable[[StoragePath, date], StoragePath]


class IncompleteError(Exception):
    """A day's outputs are not both complete."""


@dataclass(frozen=True)
class Count:
    """How many plays a zip code and subscription type have."""

    zip: int | None
    subscription: str
    """Empty, too, when it is missing."""
    spins: int


def open_part(root: StoragePath, day: date, folder_of: FolderOf) -> tuple[IO[bytes], int]:
    """
    Open the file of an output; that it is made anew meanwhile does not change what is read.

    Args:
        root: folder of the song plays.
        day: whose output.
        folder_of: which output, `layout.dataset_folder` or `layout.counts_folder`.

    Returns:
        The file, and its length in bytes.

    Raises:
        IncompleteError: dataset and counts are not both complete.
        DamagedObjectError: the complete output has no part, or several.
    """
    marks = _marks(root, day)
    folder = folder_of(root, day)
    parts = [name for name in list_objects(folder) if fnmatchcase(name, ANY_PART)]
    if len(parts) != 1:
        raise DamagedObjectError(f"{folder}: one {ANY_PART} was expected, found {len(parts)}")
    with ExitStack() as opened:
        try:
            file, size = open_read(folder / parts[0], BLOCK_BYTES)
        except FileNotFoundError:
            raise IncompleteError(f"the outputs of {day} are being made anew") from None
        opened.callback(file.close)
        if _marks(root, day) != marks:  # it may be one that is still being written
            raise IncompleteError(f"the outputs of {day} are being made anew")
        opened.pop_all()
    return file, size


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file to its end in blocks, and close it."""
    with file:
        while block := file.read(BLOCK_BYTES):
            yield block


def read_counts(
    root: StoragePath, day: date, zip_code: int | None = None, subscription: str | None = None
) -> list[Count]:
    """
    Read the counts of a day.

    Args:
        root: folder of the song plays.
        day: whose counts.
        zip_code: only those of this zip code.
        subscription: only those of this subscription type; empty: of plays without one.

    Returns:
        The counts in the order of the file: by zip code, then by subscription type.

    Raises:
        IncompleteError, DamagedObjectError: as of `open_part`.
        DamagedObjectError: the file is something else.
    """
    file, _ = open_part(root, day, counts_folder)
    with closing(file):
        try:
            return [
                count
                for count in _counts(file)
                if zip_code in (None, count.zip) and subscription in (None, count.subscription)
            ]
        except (EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
            raise DamagedObjectError(f"{counts_folder(root, day)} does not hold counts: {error}") from error


def _counts(file: IO[bytes]) -> Iterator[Count]:
    # texts may hold what `splitlines` and universal newlines take for the end of a line
    with gzip.open(file, "rt", encoding="utf-8", newline="\n") as lines:
        if (first := lines.readline()) != header(ANALYSIS).decode():
            raise ValueError(f"its header is {first[:100]!r}")
        for line in lines:
            zip_code, subscription, spins = line.removesuffix("\n").split("\t")
            yield Count(int(zip_code) if zip_code else None, subscription, int(spins))


def _marks(root: StoragePath, day: date) -> tuple[StoredObject, StoredObject]:
    """Look at what says that the outputs are complete; it is another one when they were made anew."""
    dataset, counts = (find_object(folder(root, day) / SUCCESS) for folder in (dataset_folder, counts_folder))
    if dataset is None or counts is None:
        raise IncompleteError(f"{day} has no complete outputs")
    return dataset, counts
