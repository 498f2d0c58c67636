"""
The steps of a run, which delivers the song plays of one day. Each may be run again at any time.

The day's files are written under its lease. A job reads a copy of the listeners of its own, which is also its permit:
the next job of the day removes the copy, and a job without it completes nothing any more.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from include.core.code import code_version
from include.core.errors import BadDataError, DamagedObjectError, NothingToDoError
from include.core.lease import Lease, LeaseHeldError
from include.core.remote import NotReadyError, RefusedError, RemoteFile
from include.core.storage import (
    StoragePath,
    find_object,
    hadoop_uri,
    local_copy,
    read_json,
    walk_objects,
    write_json,
)
from include.songs import checking, failures, layout, report
from include.songs.downloads.download import download, is_there, snapshot_listeners
from include.songs.downloads.versions import Version, listeners_version, spins_version
from include.songs.report import Report, Values
from include.songs.request import RunRequest
from include.songs.rules import SupersededError
from include.songs.schemas import SourceError, SourceName
from include.songs.settings import Engine, SongSettings

log = logging.getLogger(__name__)


class Measure(Protocol):
    """Sends metrics of the songs workflow."""

    def __call__(self, values: Values | Callable[[], Values], tags: Mapping[str, str] | None = None, /) -> None:
        """Send *values*, all with the same *tags*; never raises, not even what the function *values* raises."""
        ...


@dataclass(frozen=True)
class Dependencies:
    """Everything that a run uses outside itself."""

    root: StoragePath
    """The workflow's folder in storage."""
    clock: Callable[[], datetime]
    """Returns the present, with its zone."""
    measure: Measure


@dataclass(frozen=True)
class JobFiles:
    """What a job reads and writes."""

    spins: StoragePath
    listeners: StoragePath
    """A copy of the job's own, and its permit."""
    dataset: StoragePath
    """Output folder."""
    counts: StoragePath
    """Output folder."""
    metrics: StoragePath
    listeners_sha256: str
    """Checksum of the copy."""


class Pipeline:
    """
    One run.

    Args:
        dependencies: what is outside.
        settings: of the song plays.
        request: what the run works on.
    """

    def __init__(self, dependencies: Dependencies, settings: SongSettings, request: RunRequest) -> None:
        self.dependencies = dependencies
        self.settings = settings
        self.request = request
        self.root = dependencies.root
        self.day = request.day

    @property
    def lease(self) -> Lease:
        """The lease of the day, as the run sees it."""
        file = layout.lease_file(self.root, self.day)
        return Lease(file, self.request.run_id, self.settings.lease_seconds, self.dependencies.clock)

    def open_day(self) -> str | None:
        """Return the day as `YYYY-MM-DD`; `None`: its outputs are complete, so nothing is left to do."""
        return None if layout.has_outputs(self.root, self.day) else self.day.isoformat()

    def check_download(self, name: SourceName, opened: Callable[[], AbstractContextManager[RemoteFile]]) -> None:
        """
        Check that a source has to be downloaded for the day.

        A copy that a failed run has rejected is downloaded again. If it is readable and the remote file is not, the
        copy is used.

        Args:
            name: the source.
            opened: yields its remote file, which is contacted only if there is a readable copy that was rejected.

        Raises:
            NothingToDoError: it is downloaded.
        """
        if not is_there(self.root, name, self.day):
            return
        rejected = failures.rejection(self.root, self.day, name)
        if rejected is None:
            raise NothingToDoError(f"the {name} of {self.day} were downloaded before")
        log.info("%s: the %s are fetched again, since the day failed: %s", self.day, name, rejected.error)
        if rejected.usable:
            try:
                with opened() as remote:
                    remote.look()
            except (NotReadyError, RefusedError) as error:
                raise NothingToDoError(
                    f"the {name} of {self.day} were downloaded before, and cannot be fetched again: {error}"
                ) from error

    def spins(self, remote: RemoteFile) -> Version | None:
        """
        Download the day's spins, under the lease of the day.

        Returns:
            The version that was downloaded; `None`: the file exists.

        Raises:
            LeaseHeldError: another run has the day.
            NotReadyError, BadDataError, OSError: see `download`.
        """
        return self._download("spins", remote)

    def listeners(self, remote: RemoteFile) -> Version | None:
        """Download the listeners on behalf of the day; otherwise like `spins`."""
        return self._download("listeners", remote)

    def _download(self, name: SourceName, remote: RemoteFile) -> Version | None:
        with self.lease.kept():
            now, limit = self.dependencies.clock(), self.settings.max_download_megabytes
            return download(self.root, name, self.day, remote, now, max_megabytes=limit)

    def take_day(self) -> bool:
        """
        Take the lease of the day.

        Returns:
            Whether the run has it now; `False`: another run has it.

        Raises:
            NothingToDoError: another run has completed the day meanwhile.
        """
        try:
            self.lease.acquire()
        except LeaseHeldError as held:
            log.info("%s", held)
            return False
        if layout.has_outputs(self.root, self.day):
            self.lease.release()
            raise NothingToDoError("another run has completed the day")
        return True

    def choose_engine(self) -> Engine:
        """Return the engine that the request names; for `auto` the size of the day's spins decides."""
        if self.request.engine != "auto":
            return self.request.engine
        spins = find_object(layout.spins_file(self.root, self.day))
        size, limit = spins.size if spins else 0, self.settings.auto_megabytes
        log.info("The spins have %d bytes; DuckDB takes up to %g million", size, limit)
        return "duckdb" if size <= limit * 1e6 else "spark"

    def duckdb(self) -> None:
        """
        Run the job on DuckDB, in this process.

        Raises:
            BadDataError: a source is not what was expected, or the dataset has too few rows.
            SupersededError: another job of the day has begun.
        """
        from include.songs.engines import duckdb_job  # only here: the other steps start faster without it

        def check_permit() -> None:
            if find_object(files.listeners) is None:
                raise SupersededError(f"{files.listeners} is gone: another job of the day has begun")

        with self.job_files() as files, tempfile.TemporaryDirectory() as name:
            temp = Path(name)
            metrics = duckdb_job.run(
                self.day,
                self.request.minrows,
                local_copy(files.spins, temp),
                local_copy(files.listeners, temp),
                files.dataset,
                files.counts,
                self.settings.report_timezone,
                self.settings.memory_mb,
                temp,
                check_permit,
                layout.UNCHECKED,
            )
            check_permit()
            write_json(files.metrics, metrics)

    @contextmanager
    def spark(self) -> Iterator[list[str]]:
        """
        Yield the arguments of the job on Spark, which the block has to run to its end.

        Raises:
            BadDataError: the job failed because of its sources; another try would end in the same way.
        """
        with self.job_files() as files:
            try:
                yield [
                    *("--day", self.day.isoformat()),
                    *("--minrows", str(self.request.minrows)),
                    *("--listeners_path", hadoop_uri(files.listeners)),
                    *("--spins_path", hadoop_uri(files.spins)),
                    *("--dataset_out_path", hadoop_uri(files.dataset)),
                    *("--analysis_out_path", hadoop_uri(files.counts)),
                    *("--report_timezone", self.settings.report_timezone),
                    *("--metrics_path", hadoop_uri(files.metrics)),
                    *("--analysis_mark", layout.UNCHECKED),
                ]
            except Exception:
                found = read_json(files.metrics)
                if found and "error" in found:
                    if "source" in found:
                        raise SourceError(found["error"], found["source"]) from None
                    raise BadDataError(found["error"]) from None
                raise

    def check(self) -> Report:
        """
        Check the outputs of the day, write its report, mark the day as complete, release the lease.

        A day that is complete and reported keeps its report. Outputs that do not pass are written again by the next
        run.

        Raises:
            IncompleteError: the outputs are not both written.
            DamagedObjectError: an output is not what the labels were promised.
        """
        with self.lease.kept():
            made = self._check()
        self.lease.release()
        self.dependencies.measure(made.values, {"engine": made.engine or "unknown"})
        self.dependencies.measure(lambda: report.lag(self.root, self.dependencies.clock(), self.settings.zone))
        return made

    def _check(self) -> Report:
        try:
            found = checking.check(self.root, self.day)
        except DamagedObjectError as error:
            checking.withdraw(self.root, self.day)
            report.remove(self.root, self.day)
            metrics = read_json(layout.job_metrics(self.root, self.day)) or {}
            self._record_failure(error, metrics.get("listeners_sha256"))
            raise
        made = report.read(self.root, self.day) if layout.has_outputs(self.root, self.day) else None
        if made is None:
            metrics = read_json(layout.job_metrics(self.root, self.day)) or {}
            spins, sha256 = spins_version(self.root, self.day), metrics.get("listeners_sha256")
            listeners = listeners_version(self.root, sha256) if sha256 else None
            made = Report(
                day=self.day.isoformat(),
                engine=metrics.get("engine"),
                run_id=self.request.run_id,
                finished_at=self.dependencies.clock().isoformat(),
                rows=found.rows,
                groups=found.groups,
                metrics=metrics,
                spins=spins.as_json() if spins else None,
                listeners=listeners.as_json() if listeners else None,
                minrows=metrics.get("minrows"),
                code=code_version(),
                outputs=checking.checksums(self.root, self.day),
            )
            report.write(self.root, self.day, made)
        checking.complete(self.root, self.day)  # also after a run that was killed within it
        failures.remove(self.root, self.day)
        return made

    def _record_failure(self, error: BadDataError, listeners_sha256: str | None) -> None:
        now = self.dependencies.clock()
        failures.record(self.root, self.day, error, self.request.run_id, now, listeners_sha256)

    @contextmanager
    def job_files(self) -> Iterator[JobFiles]:
        """Yield what the job of the day reads and writes, while the lease is kept; bad data are the day's failure."""
        files = None
        with self.lease.kept():
            try:
                files = self._prepare_job()
                yield files
            except BadDataError as error:
                self._record_failure(error, files.listeners_sha256 if files else None)
                raise

    def _prepare_job(self) -> JobFiles:
        folder, listeners = layout.job_folder(self.root, self.day), layout.job_listeners(self.root, self.day)
        for name in walk_objects(folder):  # the permit of an earlier job is one of them
            (folder / name).unlink(missing_ok=True)
        report.remove(self.root, self.day)  # the job removes the outputs that it is about
        try:
            version = snapshot_listeners(self.root, listeners)
        except SourceError as error:
            error.source = "listeners"
            raise
        return JobFiles(
            spins=layout.spins_file(self.root, self.day),
            listeners=listeners,
            dataset=layout.dataset_folder(self.root, self.day),
            counts=layout.counts_folder(self.root, self.day),
            metrics=layout.job_metrics(self.root, self.day),
            listeners_sha256=version.sha256,
        )
