"""The day of song plays that a DAG run works on."""

import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import BadDataError
from include.core.lease import Lease, LeaseHeldError
from include.core.storage import StoragePath, find_object, local_copy, read_json, walk_objects, write_json
from include.songs import checking, downloads, layout
from include.songs.rules import SupersededError
from include.songs.settings import SongSettings
from quartet.hooks import metrics
from quartet.hooks.sources import SourceHook
from quartet.hooks.storage import StorageHook

METRICS = "metrics.json"


@dataclass(frozen=True)
class Inputs:
    """What a job reads and writes."""

    spins: StoragePath
    listeners: StoragePath
    dataset: StoragePath
    counts: StoragePath
    metrics: StoragePath


class SongsHook(BaseHook):
    """Give the day of a run, its lease, what its job reads and writes."""

    @property
    def root(self) -> StoragePath:
        """The folder of the song plays."""
        return StorageHook().path("songs")

    def day(self, context: Mapping[str, Any]) -> date:
        """
        Tell the run's day: the param `day`, else the beginning of its interval in the reporting zone.

        :raises BadDataError: the run has neither.
        """
        if given := context["params"].get("day"):
            return layout.parse_day(given)
        begin = context["dag_run"].data_interval_start
        if begin is None:
            raise BadDataError('the run has no interval: give it the param day, such as {"day": "2019-02-08"}')
        return begin.astimezone(SongSettings.load().zone).date()

    def lease(self, context: Mapping[str, Any]) -> Lease:
        """Give the lease of the run's day, as the run sees it."""
        return SourceHook().lease(self.day(context), context["dag_run"].run_id)

    def take_day(self, context: Mapping[str, Any]) -> bool:
        """
        Take the lease of the run's day; tell whether it is the run's now.

        :raises AirflowSkipException: another run has completed the day meanwhile.
        """
        try:
            self.lease(context).acquire()
        except LeaseHeldError as held:
            self.log.info("%s", held)
            return False
        if layout.has_outputs(self.root, self.day(context)):
            self.lease(context).release()
            raise AirflowSkipException("another run has completed the day")
        return True

    def engine(self, context: Mapping[str, Any]) -> str:
        """Choose between `spark` and `duckdb`: by the param `engine`, the settings, and the size of the day."""
        settings = SongSettings.load()
        engine = context["params"].get("engine") or settings.engine
        if engine != "auto":
            return engine
        spins = find_object(layout.spins_file(self.root, self.day(context)))
        size = spins.size if spins else 0
        self.log.info("The spins have %d bytes, DuckDB takes up to %g million", size, settings.auto_megabytes)
        return "duckdb" if size <= settings.auto_megabytes * 1e6 else "spark"

    @contextmanager
    def inputs(self, context: Mapping[str, Any]) -> Iterator[Inputs]:
        """
        Give what the job of the run reads and writes, while the run's lease is kept.

        Listeners are a copy of this job's own. It is also the job's permit: one that goes on although its task was
        killed, or the lease is lost, finds it gone, and leaves the outputs to the job that took it away.
        """
        day, root = self.day(context), self.root
        aside = _job_folder(root, day)
        listeners = aside / f"listeners-{uuid.uuid4().hex}.snappy.parquet"
        with self.lease(context).kept():
            for name in walk_objects(aside):
                (aside / name).unlink(missing_ok=True)
            layout.report_file(root, day).unlink(missing_ok=True)  # of outputs that go now
            downloads.snapshot_listeners(root, listeners)
            yield Inputs(
                spins=layout.spins_file(root, day),
                listeners=listeners,
                dataset=layout.dataset_folder(root, day),
                counts=layout.counts_folder(root, day),
                metrics=aside / METRICS,
            )

    def run_duck(self, context: Mapping[str, Any]) -> None:
        """Do the job of the run here."""
        from include.songs.engines import duckdb_job

        def ask() -> None:
            if find_object(inputs.listeners) is None:
                raise SupersededError(f"{inputs.listeners} is gone: another job of the day has begun")

        settings = SongSettings.load()
        with self.inputs(context) as inputs, tempfile.TemporaryDirectory() as name:
            temp = Path(name)
            metrics = duckdb_job.run(
                self.day(context),
                minrows_of(context, settings),
                local_copy(inputs.spins, temp),
                local_copy(inputs.listeners, temp),
                inputs.dataset,
                inputs.counts,
                settings.report_timezone,
                settings.memory_mb,
                temp,
                ask,
            )
            ask()
            write_json(inputs.metrics, metrics)

    def check(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """
        Check the outputs of the run's day, put down what is known of them, give the lease back.

        :return: what was put down.
        :raises BadDataError: an output is not as it has to be.
        """
        day, root = self.day(context), self.root
        with self.lease(context).kept():
            found = checking.check(root, day)
            metrics = read_json(_job_folder(root, day) / METRICS) or {}
            spins, listeners = downloads.spins_version(root, day), metrics.get("listeners_sha256")
            report = {
                "day": day.isoformat(),
                "engine": metrics.get("engine"),
                "run_id": context["dag_run"].run_id,
                "finished_at": datetime.now(UTC).isoformat(),
                "rows": found.rows,
                "groups": found.groups,
                "metrics": metrics,
                "spins": spins.as_json() if spins else None,
                "listeners": read_json(layout.listeners_record(root, listeners)) if listeners else None,
                "minrows": metrics.get("minrows"),
            }
            write_json(layout.report_file(root, day), report)
        self.lease(context).release()
        self._measure(report)
        return report

    def lag(self) -> dict[str, float]:
        """Tell how long ago the newest delivered day ended, as a figure; empty: none was delivered."""
        if (newest := layout.newest_day(self.root)) is None:
            return {}
        end = datetime.combine(newest + timedelta(days=1), datetime.min.time(), SongSettings.load().zone)
        return {"data_lag_hours": (datetime.now(UTC) - end).total_seconds() / 3600}

    def _measure(self, report: Mapping[str, Any]) -> None:
        found = report["metrics"]
        figures = {
            "rows": report["rows"],
            "groups": report["groups"],
            "plays_outside_day": found.get("rows_outside_day"),
            "plays_without_listener": found.get("without_listener"),
            "engine_seconds": sum(found.get("seconds", {}).values()),
        }
        metrics.send("songs", figures, {"engine": report["engine"] or "unknown"})
        metrics.send("songs", self.lag)


def measure_state() -> None:
    """Report how long ago the newest delivered day ended."""
    metrics.send("songs", SongsHook().lag())


def minrows_of(context: Mapping[str, Any], settings: SongSettings) -> int:
    """Give the least rows of the run's dataset."""
    given = context["params"].get("minrows")
    return settings.minrows if given is None else given


def _job_folder(root: StoragePath, day: date) -> StoragePath:
    """Give the folder of what passes between the tasks and the job of a day."""
    return layout.incoming(root) / f"job-{day.isoformat()}"
