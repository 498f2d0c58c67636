"""Where the files of song plays lie below their folder, and what is complete.

A root is the folder of the song plays, local or in S3. Below it:

    spins/YYYY/MM/DD/spins.snappy.parquet
    listeners/listeners.snappy.parquet                  newest version, one for all days
    markers/YYYY/MM/DD/listeners_downloaded.SUCCESS     empty, one a day
    output/YYYY/MM/DD/dataset/                          `_SUCCESS` and one part-*.csv.gz
    output/YYYY/MM/DD/counts_by_zip_sub/                `_SUCCESS` and one part-*.csv.gz
    leases/YYYY-MM-DD.json                              whose day it is
    versions/spins/YYYY-MM-DD.json                      what was fetched for a day
    versions/listeners/<sha256>.json                    what was fetched, by its content
    versions/days/YYYY-MM-DD.json                       what a completed day was made from, and its figures
    .incoming/                                          downloads that are not complete
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from include.core.errors import BadDataError
from include.core.storage import StoragePath, find_object, list_objects, walk_objects
from include.songs.schemas import SUCCESS

SPINS = "spins.snappy.parquet"
LISTENERS = "listeners.snappy.parquet"
MARKER = "listeners_downloaded.SUCCESS"
DATASET, COUNTS = "dataset", "counts_by_zip_sub"
_KINDS = {
    "spins": {SPINS: "spins"},
    "markers": {MARKER: "marker"},
    "output": {f"{DATASET}/{SUCCESS}": "dataset", f"{COUNTS}/{SUCCESS}": "counts"},
}
"""Folder → the names below a day's folder that say what is there."""
_IN_DAY = re.compile(r"([0-9]{4})/([0-9]{2})/([0-9]{2})/(.+)")


class DayError(BadDataError):
    """A day is not written as `YYYY-MM-DD`, or there is no such day."""


def parse_day(text: str) -> date:
    """
    Read a day.

    Raises:
        DayError: it is not `YYYY-MM-DD`.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:  # Python takes 20190208 and 2019-W06-5, too
        raise DayError(f"a day as 2019-02-08 was expected, found {text[:40]!r}")
    return day


def spins_file(root: StoragePath, day: date) -> StoragePath:
    """Give the spins of a day."""
    return root / "spins" / _folders(day) / SPINS


def listeners_file(root: StoragePath) -> StoragePath:
    """Give the listeners, of all days."""
    return root / "listeners" / LISTENERS


def marker(root: StoragePath, day: date) -> StoragePath:
    """Give what says that the listeners were fetched on behalf of a day."""
    return root / "markers" / _folders(day) / MARKER


def dataset_folder(root: StoragePath, day: date) -> StoragePath:
    """Give the output folder of a day's dataset."""
    return root / "output" / _folders(day) / DATASET


def counts_folder(root: StoragePath, day: date) -> StoragePath:
    """Give the output folder of a day's counts."""
    return root / "output" / _folders(day) / COUNTS


def lease_file(root: StoragePath, day: date) -> StoragePath:
    """Give the lease of a day."""
    return root / "leases" / f"{day.isoformat()}.json"


def spins_record(root: StoragePath, day: date) -> StoragePath:
    """Give what is known of the spins that were fetched for a day."""
    return root / "versions" / "spins" / f"{day.isoformat()}.json"


def listeners_record(root: StoragePath, sha256: str) -> StoragePath:
    """Give what is known of listeners that were fetched, by the checksum of the file."""
    return root / "versions" / "listeners" / f"{sha256}.json"


def report_file(root: StoragePath, day: date) -> StoragePath:
    """
    Give what a run has put down about the day that it completed.

    A JSON object: `day`, `engine`, `run_id`, `finished_at` (ISO 8601), `rows` (of the dataset), `groups` (rows of the
    counts), `metrics` (an object), `spins` and `listeners` (each a `Version` or null), `minrows`.
    """
    return root / "versions" / "days" / f"{day.isoformat()}.json"


def incoming(root: StoragePath) -> StoragePath:
    """Give the folder of downloads that are not complete."""
    return root / ".incoming"


def has_spins(root: StoragePath, day: date) -> bool:
    """Tell whether a day's spins are there."""
    return find_object(spins_file(root, day)) is not None


def has_listeners(root: StoragePath, day: date) -> bool:
    """Tell whether the listeners are there and were fetched on behalf of a day."""
    return all(find_object(path) is not None for path in (listeners_file(root), marker(root, day)))


def has_outputs(root: StoragePath, day: date) -> bool:
    """Tell whether a day's dataset and counts are both complete."""
    folders = (dataset_folder(root, day), counts_folder(root, day))
    return all(find_object(folder / SUCCESS) is not None for folder in folders)


def newest_day(root: StoragePath) -> date | None:
    """Give the latest day that a run has completed; `None`: there is none."""
    names = list_objects(root / "versions" / "days")
    return max((parse_day(name.removesuffix(".json")) for name in names), default=None)


@dataclass(frozen=True)
class DayFiles:
    """What is there of a day."""

    day: date
    spins: bool = False
    marker: bool = False
    dataset: bool = False
    """Whether it is complete."""
    counts: bool = False
    """Whether they are complete."""

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to do."""
        return self.dataset and self.counts


def known_days(root: StoragePath, year: int | None = None, month: int | None = None) -> list[DayFiles]:
    """
    List the days of which anything is there: spins, a marker, or an output that is complete.

    Args:
        root: the folder of the song plays.
        year: only the days of this year.
        month: only the days of this month of the year.

    Returns:
        The days, latest first.
    """
    within = "/".join([f"{part:0{digits}}" for part, digits in ((year, 4), (month, 2)) if part is not None])
    found: dict[date, set[str]] = {}
    for kind, names in _KINDS.items():
        for day, name in _walk(root / kind, within):
            if name in names:
                found.setdefault(day, set()).add(names[name])
    return [DayFiles(day, **dict.fromkeys(found[day], True)) for day in sorted(found, reverse=True)]


def _walk(folder: StoragePath, within: str) -> Iterator[tuple[date, str]]:
    """Give day and name below the day's folder of each object."""
    above = f"{within}/" if within else ""
    for name in walk_objects(folder / within if within else folder):
        if match := _IN_DAY.fullmatch(above + name):
            try:
                yield date(*map(int, match.groups()[:3])), match[4]
            except ValueError:  # no such day
                continue


def _folders(day: date) -> str:
    return f"{day.year:04}/{day.month:02}/{day.day:02}"
