"""What a DAG run means to the songs workflow: from the context of a task to its pipeline."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from include.songs import report
from include.songs.pipeline import Dependencies, Pipeline
from include.songs.request import from_params
from include.songs.settings import SongSettings
from quartet.hooks import metrics
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
    dependencies = Dependencies(
        root=StorageHook().path("songs"), clock=lambda: datetime.now(UTC), measure=partial(metrics.send, "songs")
    )
    with skipping(context):
        yield Pipeline(dependencies, settings, request)


def measure_state() -> None:
    """Report how long ago the newest completed day ended."""
    metrics.send("songs", report.lag(StorageHook().path("songs"), datetime.now(UTC), SongSettings.load().zone))
