"""
Layout of the song plays' folder in the storage, and which days are complete.

A root is the folder of the song plays, local or in S3. It contains:

    spins/YYYY/MM/DD/spins.snappy.parquet
    listeners/listeners.snappy.parquet                  newest version, one for all days
    markers/YYYY/MM/DD/listeners_downloaded.SUCCESS     empty, one per day
    output/YYYY/MM/DD/dataset/                          `_SUCCESS` and one part-*.csv.gz
    output/YYYY/MM/DD/counts_by_zip_sub/                `_SUCCESS` and one part-*.csv.gz; until the day's check has
                                                        passed `_UNCHECKED` instead of `_SUCCESS`
    leases/YYYY-MM-DD.json                              which run has the day
    versions/spins/YYYY-MM-DD.json                      which spins were downloaded for a day
    versions/listeners/<sha256>.json                    which listeners were downloaded, by their content
    versions/days/YYYY-MM-DD.json                       report of a completed day; see `report.py`
    versions/seals/YYYY-MM-DD.json                      checksum of the report of a day
    versions/replays/YYYY-MM-DD.json                    result of the last replay of a day
    versions/failures/YYYY-MM-DD.json                   why the last job or check of a day failed; see `failures.py`
    .incoming/                                          downloads under way
    .incoming/job-YYYY-MM-DD/                           a job's copy of the listeners, and its metrics
"""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from include.core.errors import BadDataError
from include.core.storage import StoragePath, find_object, list_objects, walk_objects

SPINS = "spins.snappy.parquet"
LISTENERS = "listeners.snappy.parquet"
MARKER = "listeners_downloaded.SUCCESS"
DATASET, COUNTS = "dataset", "counts_by_zip_sub"
PART, SUCCESS = "part-00000.csv.gz", "_SUCCESS"
"""The two files of an output folder; the second is written last."""
UNCHECKED = "_UNCHECKED"
"""Stands in the folder of a day's counts instead of `_SUCCESS` while the day's check is still to come."""
ANY_PART = "part-*.csv.gz"
"""Name of an output's only file, whoever wrote it."""
METRICS = "metrics.json"
_KINDS = {
    "spins": {SPINS: "spins"},
    "markers": {MARKER: "marker"},
    "output": {f"{DATASET}/{SUCCESS}": "dataset", f"{COUNTS}/{SUCCESS}": "counts"},
}
"""Folder → names below a day's folder → what they show to exist."""
_IN_DAY = re.compile(r"([0-9]{4})/([0-9]{2})/([0-9]{2})/(.+)")
_INCOMING = re.compile(
    r"(?:spins|listeners)-([0-9-]{10})\.[0-9a-f]{32}"
    rf"|job-([0-9-]{{10}})/(?:{re.escape(METRICS)}|\.?listeners-[0-9a-f]{{32}}\.snappy\.parquet(?:\.[0-9a-f]{{32}})?)"
)
_SHA256 = re.compile(r"([0-9a-f]{64})\.json")


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
        raise DayError(f"a day such as 2019-02-08 was expected, found {text[:40]!r}")
    return day


def spins_file(root: StoragePath, day: date) -> StoragePath:
    """Return the spins of a day."""
    return root / "spins" / _folders(day) / SPINS


def listeners_file(root: StoragePath) -> StoragePath:
    """Return the listeners, of all days."""
    return root / "listeners" / LISTENERS


def marker(root: StoragePath, day: date) -> StoragePath:
    """Return the file whose presence means that the listeners were fetched on behalf of a day."""
    return root / "markers" / _folders(day) / MARKER


def dataset_folder(root: StoragePath, day: date) -> StoragePath:
    """Return the output folder of a day's dataset."""
    return root / "output" / _folders(day) / DATASET


def counts_folder(root: StoragePath, day: date) -> StoragePath:
    """Return the output folder of a day's counts."""
    return root / "output" / _folders(day) / COUNTS


def spark_parts(folder: str) -> str:
    """Return a new name below an output folder for the parts that Spark's tasks write; both as Hadoop writes paths."""
    return f"{folder}/_aside-{uuid.uuid4().hex}"


def leases(root: StoragePath) -> StoragePath:
    """Return the folder of the leases."""
    return root / "leases"


def lease_file(root: StoragePath, day: date) -> StoragePath:
    """Return the lease of a day."""
    return leases(root) / _json(day)


def spins_record(root: StoragePath, day: date) -> StoragePath:
    """Return the version of the spins that were fetched for a day."""
    return root / "versions" / "spins" / _json(day)


def listeners_records(root: StoragePath) -> StoragePath:
    """Return the folder of the versions of listeners."""
    return root / "versions" / "listeners"


def listeners_record(root: StoragePath, sha256: str) -> StoragePath:
    """Return the version of listeners that were fetched, by the checksum of the file."""
    return listeners_records(root) / f"{sha256}.json"


def reports(root: StoragePath) -> StoragePath:
    """Return the folder of the reports of completed days."""
    return root / "versions" / "days"


def report_file(root: StoragePath, day: date) -> StoragePath:
    """Return the report of a completed day."""
    return reports(root) / _json(day)


def seal_file(root: StoragePath, day: date) -> StoragePath:
    """Return the checksum of the report of a day."""
    return root / "versions" / "seals" / _json(day)


def replay_file(root: StoragePath, day: date) -> StoragePath:
    """Return the result of the last replay of a day."""
    return root / "versions" / "replays" / _json(day)


def failures(root: StoragePath) -> StoragePath:
    """Return the folder of the days' failures."""
    return root / "versions" / "failures"


def failure_file(root: StoragePath, day: date) -> StoragePath:
    """Return the failure of a day."""
    return failures(root) / _json(day)


def incoming(root: StoragePath) -> StoragePath:
    """Return the folder of downloads under way."""
    return root / ".incoming"


def incoming_file(root: StoragePath, name: str, day: date) -> StoragePath:
    """Return the path of a day's `spins` or `listeners` while they are downloaded, to which an ending is added."""
    return incoming(root) / f"{name}-{day.isoformat()}"


def incoming_copy(target: StoragePath) -> StoragePath:
    """Return the path of a job's copy while it is written, to which an ending is added."""
    return target.parent / f".{target.name}"


def job_folder(root: StoragePath, day: date) -> StoragePath:
    """Return the folder of the files that pass between a day's tasks and its job."""
    return incoming(root) / f"job-{day.isoformat()}"


def job_listeners(root: StoragePath, day: date) -> StoragePath:
    """Return a new name for a job's own copy of the listeners."""
    return job_folder(root, day) / f"listeners-{uuid.uuid4().hex}.snappy.parquet"


def job_metrics(root: StoragePath, day: date) -> StoragePath:
    """Return the metrics of a day's job."""
    return job_folder(root, day) / METRICS


def day_of_incoming(name: str) -> date | None:
    """Return the day of a file below `incoming`; `None`: it has none of the names that downloads and jobs give."""
    match = _INCOMING.fullmatch(name)
    return _day_or_none(match[1] or match[2]) if match else None


def day_of_lease(name: str) -> date | None:
    """Return the day of a file in `leases`; `None`: it is no lease."""
    day = _day_or_none(name.removesuffix(".json"))
    return day if day and name == _json(day) else None


def sha256_of_record(name: str) -> str | None:
    """Return the checksum that a file in `listeners_records` is named after; `None`: it is no such record."""
    match = _SHA256.fullmatch(name)
    return match[1] if match else None


def has_spins(root: StoragePath, day: date) -> bool:
    """Return whether a day's spins exist."""
    return find_object(spins_file(root, day)) is not None


def has_listeners(root: StoragePath, day: date) -> bool:
    """Return whether the listeners exist and were fetched on behalf of a day."""
    return all(find_object(path) is not None for path in (listeners_file(root), marker(root, day)))


def has_outputs(root: StoragePath, day: date) -> bool:
    """Return whether a day's dataset and counts are both complete."""
    folders = (dataset_folder(root, day), counts_folder(root, day))
    return all(find_object(folder / SUCCESS) is not None for folder in folders)


def reported_days(root: StoragePath) -> list[date]:
    """
    List the days that runs have completed, earliest first.

    Raises:
        DayError: a file in `reports` is not named after a day.
    """
    return [parse_day(name.removesuffix(".json")) for name in list_objects(reports(root))]


@dataclass(frozen=True)
class DayFiles:
    """Which files of a day exist."""

    day: date
    spins: bool = False
    marker: bool = False
    dataset: bool = False
    """Whether it is complete."""
    counts: bool = False
    """Whether they are complete."""

    @property
    def complete(self) -> bool:
        """Whether both outputs are complete."""
        return self.dataset and self.counts


def find_day(root: StoragePath, day: date) -> DayFiles:
    """Return which files of a day exist."""
    return DayFiles(
        day,
        spins=has_spins(root, day),
        marker=find_object(marker(root, day)) is not None,
        dataset=find_object(dataset_folder(root, day) / SUCCESS) is not None,
        counts=find_object(counts_folder(root, day) / SUCCESS) is not None,
    )


def known_days(root: StoragePath, year: int | None = None, month: int | None = None) -> list[DayFiles]:
    """
    List the days that have spins, a marker, or a complete output.

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
    """Yield the day of each object, and its name below the day's folder."""
    above = f"{within}/" if within else ""
    for name in walk_objects(folder / within if within else folder):
        if match := _IN_DAY.fullmatch(above + name):
            try:
                yield date(*map(int, match.groups()[:3])), match[4]
            except ValueError:  # no such day
                continue


def _folders(day: date) -> str:
    return f"{day.year:04}/{day.month:02}/{day.day:02}"


def _json(day: date) -> str:
    return f"{day.isoformat()}.json"


def _day_or_none(text: str) -> date | None:
    try:
        return parse_day(text)
    except DayError:
        return None
