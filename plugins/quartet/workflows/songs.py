"""Runs of the songs workflow in Airflow: from the context of a task to its pipeline."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from include.core.provenance import Record, Row
from include.core.remote import RefusedError, RemoteFile
from include.core.web import redact
from include.songs import report
from include.songs.downloads.remote import remote_url
from include.songs.layout import parse_day
from include.songs.pipeline import Dependencies, Pipeline
from include.songs.request import RunRequest, from_params
from include.songs.schemas import SourceName
from include.songs.settings import SongSettings
from quartet.hooks import metrics
from quartet.hooks.remote import RemoteHook
from quartet.hooks.storage import StorageHook
from quartet.workflows.common import skipping


@contextmanager
def songs_run(context: Mapping[str, Any]) -> Iterator[Pipeline]:
    """
    Yield the steps of a run; one that has nothing to do skips the task.

    Args:
        context: of the Airflow task.

    Raises:
        BadDataError: the run has no day.
    """
    run, settings = context["dag_run"], SongSettings.load()
    request = from_params(context["params"], run.run_id, run.data_interval_start, settings)
    with skipping(context):
        yield _pipeline(settings, request)


@dataclass(frozen=True)
class Download:
    """
    The spins of a day, or the listeners, as `RemoteSensor` waits for them; it takes them by downloading them.

    Args:
        name: the source; the settings name its folder.
        day: `YYYY-MM-DD`.
        run_id: name of the run, which holds the lease of the day while it writes.
        base: replaces the folder that the settings name, unless it is empty.
    """

    name: SourceName
    day: str
    run_id: str
    base: str = ""

    def __str__(self) -> str:
        return redact(self._url(self._settings()))

    def check(self) -> None:
        """Check that something is left to do; raises `NothingToDoError` if it is downloaded."""
        self._pipeline().check_download(self.name, self.open)

    @contextmanager
    def open(self) -> Iterator[RemoteFile]:
        """
        Yield the remote file, not yet contacted.

        Raises:
            SettingsError: its address is not set.
            RefusedError: its address is malformed, or names a connection although only the run names the folder.
        """
        settings, query = self._settings(), ""
        url = self._url(settings)
        if self._is_configured():
            query = settings.query_suffix.get_secret_value()
        elif "@" in urlsplit(url).netloc:  # in S3 a connection of Airflow with its credentials
            raise RefusedError(f"{redact(url)}: an address without a connection or user was expected in a run's params")
        with RemoteHook().open(url, query, settings.redirects, settings.download_minutes * 60) as remote:
            yield remote

    def take(self) -> dict[str, Any] | None:
        """Download the file; return its version, or `None` if another run was faster."""
        pipeline = self._pipeline()
        with self.open() as remote:
            version = pipeline.spins(remote) if self.name == "spins" else pipeline.listeners(remote)
        return version.as_json() if version else None

    def _pipeline(self) -> Pipeline:
        settings = self._settings()
        return _pipeline(settings, from_params({"day": self.day}, self.run_id, None, settings))

    def _settings(self) -> SongSettings:
        return SongSettings.load(**({f"{self.name}_base": self.base} if self.base else {}))

    def _is_configured(self) -> bool:
        """Return whether the folder is that of the settings, not another one that the run names."""
        configured = SongSettings.load()
        base = configured.spins_base if self.name == "spins" else configured.listeners_base
        return not self.base or self.base.rstrip("/") == base.rstrip("/")

    def _url(self, settings: SongSettings) -> str:
        return remote_url(settings, self.name, parse_day(self.day))


def measure_state() -> None:
    """Report how long ago the newest completed day ended."""
    metrics.send("songs", report.lag(StorageHook().path("songs"), datetime.now(UTC), SongSettings.load().zone))


def explain(row: Row) -> Record:
    """Explain a row of a day; see `include.songs.provenance.explain`."""
    from include.songs import provenance  # only here: tasks start faster without DuckDB

    return provenance.explain(StorageHook().path("songs"), row)


def _pipeline(settings: SongSettings, request: RunRequest) -> Pipeline:
    dependencies = Dependencies(
        root=StorageHook().path("songs"), clock=lambda: datetime.now(UTC), measure=partial(metrics.send, "songs")
    )
    return Pipeline(dependencies, settings, request)
