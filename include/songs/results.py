"""The outputs of complete days, for their readers; local or in S3."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import IO

from include.core.errors import DamagedObjectError
from include.core.storage import StoragePath, StoredObject, find_object, list_objects, open_read
from include.songs.layout import ANY_PART, SUCCESS, UNCHECKED, counts_folder, dataset_folder
from include.songs.schemas import ANALYSIS, header

BLOCK_BYTES = 1 << 20
"""Read at a time."""

FolderOf = Callable[[StoragePath, date], StoragePath]


class IncompleteError(Exception):
    """A day's outputs are not both complete."""


@dataclass(frozen=True)
class Count:
    """Number of plays of a zip code and subscription type."""

    zip: int | None
    subscription: str
    """Empty if it is missing."""
    spins: int


@dataclass(frozen=True)
class Part:
    """The file of an output, open for reading."""

    file: IO[bytes]
    stored: StoredObject
    size: int
    """Length in bytes."""


def open_part(root: StoragePath, day: date, folder_of: FolderOf, *, unchecked: bool = False) -> Part:
    """
    Open the file of an output; it is read as it is now, even if it is replaced meanwhile.

    Args:
        root: folder of the song plays.
        day: day of the output.
        folder_of: `layout.dataset_folder` or `layout.counts_folder`.
        unchecked: also open outputs whose check is still to come.

    Raises:
        IncompleteError: dataset and counts are not both complete.
        DamagedObjectError: the complete output has no part, or more than one.
    """
    marks = _marks(root, day, unchecked)
    folder = folder_of(root, day)
    parts = [stored for name, stored in list_objects(folder).items() if fnmatchcase(name, ANY_PART)]
    if len(parts) != 1:
        raise DamagedObjectError(f"{folder}: one {ANY_PART} was expected, found {len(parts)}")
    with ExitStack() as opened:
        try:
            file, size = open_read(folder / parts[0].name, BLOCK_BYTES)
        except FileNotFoundError:
            raise IncompleteError(f"the outputs of {day} are being written again") from None
        opened.callback(file.close)
        if _marks(root, day, unchecked) != marks:  # the file may be a new one that is not complete
            raise IncompleteError(f"the outputs of {day} are being written again")
        opened.pop_all()
    return Part(file, parts[0], size)


def read_counts(
    root: StoragePath,
    day: date,
    zip_code: int | None = None,
    subscription: str | None = None,
    *,
    unchecked: bool = False,
) -> list[Count]:
    """
    Read the counts of a day.

    Args:
        root: folder of the song plays.
        day: day of the counts.
        zip_code: only counts of this zip code.
        subscription: only counts of this subscription type; if empty, of plays without one.
        unchecked: see `open_part`.

    Returns:
        The counts in the order of the file: by zip code, then by subscription type.

    Raises:
        IncompleteError, DamagedObjectError: see `open_part`.
        DamagedObjectError: the file does not hold counts.
    """
    with open_part(root, day, counts_folder, unchecked=unchecked).file as file:
        try:
            return [
                count
                for count in _counts(file)
                if zip_code in (None, count.zip) and subscription in (None, count.subscription)
            ]
        except (EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
            raise DamagedObjectError(f"{counts_folder(root, day)} does not hold counts: {error}") from error


def _counts(file: IO[bytes]) -> Iterator[Count]:
    # texts may contain characters that `splitlines` and universal newlines take for line ends
    with gzip.open(file, "rt", encoding="utf-8", newline="\n") as lines:
        if (first := lines.readline()) != header(ANALYSIS).decode():
            raise ValueError(f"its header is {first[:100]!r}")
        for line in lines:
            zip_code, subscription, spins = line.removesuffix("\n").split("\t")
            yield Count(int(zip_code) if zip_code else None, subscription, int(spins))


def _marks(root: StoragePath, day: date, unchecked: bool) -> tuple[StoredObject, StoredObject]:
    """Return the marks of both outputs, which differ once the outputs are written again."""
    dataset, counts = (find_object(folder(root, day) / SUCCESS) for folder in (dataset_folder, counts_folder))
    if unchecked and counts is None:
        counts = find_object(counts_folder(root, day) / UNCHECKED)
    if dataset is None or counts is None:
        raise IncompleteError(f"{day} has no complete outputs")
    return dataset, counts
