"""
Layout of the articles workflow's folder in the storage.

    <site>/extracts/<date>/<checksum>-<rows>-<lines>-<bad lines>-<anonymous>.parquet
                                        the rows of one event object; the date is that of its delivery
    <site>/extracts/<date>/<checksum>-unreadable.txt
                                        instead, if the object is not complete gzip
    <site>/runs/<instant>-<checksum>/   the files of one run, see `RunFiles`

The folder of artefacts has `<site>/<instant>-<checksum>/` with a copy of some of them. Events lie below
`enriched/good/YYYY/MM/DD/` of their own root.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from include.core.storage import StoragePath, walk_objects

REPORT = "run.json"
_EXTRACT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9a-f]{32})-(?:(\d+)-(\d+)-(\d+)-(\d+)\.parquet|unreadable\.txt)")
_SITE_EXTRACT = re.compile(r"([^/]+)/extracts/([0-9]{4}-[0-9]{2}-[0-9]{2})/[0-9a-f]{32}-[0-9a-z-]+\.(?:parquet|txt)")
_SITE_RUN = re.compile(r"([^/]+)/runs/([0-9]{8}T[0-9]{6}Z-[0-9a-f]{8})/.+")


def delivery_folder(day: date) -> str:
    """Return the folder of the event objects that were delivered on a UTC date, below the root of the events."""
    return f"enriched/good/{day:%Y/%m/%d}"


def extracts_folder(root: StoragePath, site: str) -> StoragePath:
    """Return the folder of a site's extracts."""
    return root / site / "extracts"


def extract_key(source: str, state: str) -> str:
    """
    Return what the names of all extracts of an event object begin with, `<date>/<checksum>`.

    Args:
        source: name of the object below the root of the events, `enriched/good/YYYY/MM/DD/…`.
        state: text that differs when the object is replaced.
    """
    day = "-".join(source.split("/")[2:5])
    return f"{day}/{hashlib.sha256(state.encode()).hexdigest()[:32]}"


def extract_name(key: str, counts: Sequence[int] | None) -> str:
    """Return the name of an extract below the folder of extracts; *counts* are `None` for an unreadable object."""
    return f"{key}-unreadable.txt" if counts is None else f"{key}-{'-'.join(map(str, counts))}.parquet"


def parse_extract_name(name: str) -> tuple[str, tuple[int, ...] | None] | None:
    """Return key and counts of an extract by its name; `None` if it is not one."""
    match = _EXTRACT.fullmatch(name)
    if match is None:
        return None
    return match[1], None if match[2] is None else tuple(map(int, match.groups()[1:]))


def site_and_date_of_extract(name: str) -> tuple[str, date] | None:
    """Return site and date of delivery of an extract by its name below the workflow's folder; `None` for others."""
    match = _SITE_EXTRACT.fullmatch(name)
    try:
        return (match[1], date.fromisoformat(match[2])) if match else None
    except ValueError:  # there is no such day
        return None


def site_and_run_of_file(name: str) -> tuple[str, str] | None:
    """Return site and run folder of a run's file by its name below the workflow's folder; `None` for others."""
    match = _SITE_RUN.fullmatch(name)
    return (match[1], match[2]) if match else None


def run_name(run_at: datetime, run_id: str) -> str:
    """Return the name of a run's folder; names sort by `run_at`."""
    return f"{run_at:%Y%m%dT%H%M%SZ}-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def run_files(root: StoragePath, site: str, run_at: datetime, run_id: str) -> "RunFiles":
    """Return the files of a run."""
    return RunFiles(root / site / "runs" / run_name(run_at, run_id))


def reported_runs(root: StoragePath, site: str) -> "list[RunFiles]":
    """Return the files of a site's runs that have a report, newest first."""
    names = [name.removesuffix(f"/{REPORT}") for name in walk_objects(root / site / "runs") if name.endswith(REPORT)]
    return [RunFiles(root / site / "runs" / name) for name in sorted(names, reverse=True)]


@dataclass(frozen=True)
class RunFiles:
    """The files of one run."""

    folder: StoragePath

    @property
    def plan(self) -> StoragePath:
        """The plan of the run."""
        return self.folder / "plan.json"

    @property
    def manifest(self) -> StoragePath:
        """The extracts of the run."""
        return self.folder / "events.json"

    @property
    def paths(self) -> StoragePath:
        """The distinct paths of each article."""
        return self.folder / "paths.parquet"

    @property
    def events(self) -> StoragePath:
        """The events left by the first filters."""
        return self.folder / "events.parquet"

    @property
    def articles(self) -> StoragePath:
        """The articles that may be recommended."""
        return self.folder / "articles.parquet"

    @property
    def interactions(self) -> StoragePath:
        """Dwell per reader, article and date."""
        return self.folder / "interactions.parquet"

    @property
    def readings(self) -> StoragePath:
        """When readers opened articles."""
        return self.folder / "readings.parquet"

    @property
    def gaps(self) -> StoragePath:
        """Figure of the gaps between events."""
        return self.folder / "gaps.png"

    @property
    def defaults(self) -> StoragePath:
        """Statistics of each article's dwell."""
        return self.folder / "defaults.parquet"

    @property
    def matrix(self) -> StoragePath:
        """Dwell, readers x articles."""
        return self.folder / "matrix.npz"

    @property
    def readers(self) -> StoragePath:
        """Ids of the matrix's rows."""
        return self.folder / "readers.parquet"

    @property
    def sources(self) -> StoragePath:
        """External ids of the matrix's columns."""
        return self.folder / "sources.parquet"

    @property
    def vectors(self) -> StoragePath:
        """Vectors of the articles; as targets, if a model has others for sources."""
        return self.folder / "article_vectors.npz"

    @property
    def source_vectors(self) -> StoragePath:
        """Vectors of the articles as sources, of a model that has such."""
        return self.folder / "source_vectors.npz"

    @property
    def weights(self) -> StoragePath:
        """Weights of the articles by age."""
        return self.folder / "weights.parquet"

    @property
    def report(self) -> StoragePath:
        """The report of the run."""
        return self.folder / REPORT

    def recommendations(self, kind: str) -> StoragePath:
        """Return the lists of a model, `popularity` or `article`."""
        return self.folder / f"{kind}_recommendations.parquet"

    def counts(self, step: str) -> StoragePath:
        """Return what a step counted."""
        return self.folder / f"{step}.json"

    @property
    def artefacts(self) -> tuple[StoragePath, ...]:
        """The files to copy to the folder of artefacts."""
        return (
            self.report,
            self.articles,
            self.interactions,
            self.matrix,
            self.readers,
            self.sources,
            self.vectors,
            self.weights,
            self.recommendations("popularity"),
            self.recommendations("article"),
        )
