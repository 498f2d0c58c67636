"""The check of a day's outputs: they are what the labels were promised."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from datetime import date

from include.core.errors import DamagedObjectError
from include.core.storage import StoragePath, find_object, remove_object, write_whole
from include.songs.layout import SUCCESS, UNCHECKED, counts_folder, dataset_folder
from include.songs.results import BLOCK_BYTES, open_part, read_counts
from include.songs.schemas import DATASET, header


@dataclass(frozen=True)
class Contents:
    """Numbers of rows and sizes of a day's outputs."""

    rows: int
    """Rows of the dataset."""
    groups: int
    """Rows of the counts."""
    bytes: int
    """Size of the dataset's file, compressed."""


def check(root: StoragePath, day: date) -> Contents:
    """
    Read both outputs of a day to their ends, whether the day is complete or its check is still to come.

    Args:
        root: folder of the song plays.
        day: day of the outputs.

    Raises:
        IncompleteError: dataset and counts are not both written.
        DamagedObjectError: an output does not have exactly one part, or that is not gzip, or its header or a line is
            wrong, or the counts do not add up to the rows of the dataset.
    """
    part = open_part(root, day, dataset_folder, unchecked=True)
    with part.file as file:
        try:
            rows = _count_rows(gzip.GzipFile(fileobj=file))
        except (EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
            raise DamagedObjectError(f"{dataset_folder(root, day)} does not hold a dataset: {error}") from error
    counts = read_counts(root, day, unchecked=True)
    if (total := sum(count.spins for count in counts)) != rows:
        raise DamagedObjectError(f"{counts_folder(root, day)}: counts of {rows} plays were expected, found {total}")
    return Contents(rows, len(counts), part.size)


def checksums(root: StoragePath, day: date) -> dict[str, str]:
    """Return the sha256 of the files of both outputs, `dataset` and `counts`."""
    found = {}
    for name, folder_of in (("dataset", dataset_folder), ("counts", counts_folder)):
        with open_part(root, day, folder_of, unchecked=True).file as file:
            digest = hashlib.sha256()
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
        found[name] = digest.hexdigest()
    return found


def complete(root: StoragePath, day: date) -> None:
    """Mark a day whose outputs have passed the check as complete. Idempotent."""
    if find_object(counts_folder(root, day) / SUCCESS) is None:
        write_whole(counts_folder(root, day) / SUCCESS, b"")
    remove_object(counts_folder(root, day) / UNCHECKED)


def withdraw(root: StoragePath, day: date) -> None:
    """Remove all marks of a day whose outputs have not passed the check, so that they are written again."""
    for folder in (counts_folder(root, day), dataset_folder(root, day)):
        for mark in (SUCCESS, UNCHECKED):
            remove_object(folder / mark)


def _count_rows(file: gzip.GzipFile) -> int:
    """Return the number of lines after the header; raises `ValueError` unless each has all fields."""
    first = header(DATASET)
    if (found := file.readline(len(first))) != first:
        raise ValueError(f"its header is {found!r}")
    rows = tabs = 0
    block = b"\n"
    while more := file.read(BLOCK_BYTES):
        block = more
        rows += block.count(b"\n")
        tabs += block.count(b"\t")
        if b"\0" in block:
            raise ValueError("it has a NUL byte")
    if not block.endswith(b"\n"):
        raise ValueError("its last line does not end")
    if tabs != rows * (len(DATASET) - 1):
        raise ValueError(f"{rows} lines of {len(DATASET)} fields were expected, found {tabs} tabs")
    return rows
