"""Runs of the ratings workflow in Airflow: from the context of a task to its pipeline."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from include.core.provenance import Record, Row
from include.ratings import leftover, report
from include.ratings.pipeline import Dependencies, Pipeline
from include.ratings.request import Run
from include.ratings.settings import RatingsSettings
from quartet.hooks import metrics, movielens
from quartet.hooks.airflow_api import AirflowApiHook
from quartet.hooks.registry import RegistryHook
from quartet.hooks.storage import StorageHook
from quartet.workflows.common import skipping


@contextmanager
def ratings_run(context: Mapping[str, Any]) -> Iterator[Pipeline]:
    """
    Yield the steps of a run; one that has nothing to do skips the task.

    Args:
        context: of the Airflow task.
    """
    storage, run = StorageHook(), context["dag_run"]
    dependencies = Dependencies(
        store=storage.store("ratings"),
        stored=storage.path,
        registry=RegistryHook(),
        fetch_base=movielens.fetch,
        clock=lambda: datetime.now(UTC),
        note=partial(AirflowApiHook().note, context),
        measure=partial(metrics.send, "ratings"),
    )
    by = run.triggering_user_name or "quartet"
    with skipping(context):
        yield Pipeline(
            dependencies, RatingsSettings.load(), Run(run.run_id, run.run_after, by, dict(context["params"]))
        )


def unanswered(min_seconds: float) -> list[str]:
    """Return the files of pairs that have waited for predictions for *min_seconds*."""
    return leftover.unanswered(StorageHook().store("ratings"), time.time(), min_seconds)


def untrained(min_seconds: float) -> list[str]:
    """Return the files and versions of ratings that have waited for a training for *min_seconds*."""
    return leftover.untrained(StorageHook().store("ratings"), time.time(), min_seconds)


def explain(row: Row) -> Record:
    """Explain a prediction, a model or a rating; see `include.ratings.explanation.explain`."""
    from include.ratings import explanation  # only here: predicting starts faster without Delta

    storage = StorageHook()
    return explanation.explain(storage.store("ratings"), storage.path, row)


def measure_state() -> None:
    """Send the metrics of what waits, of the age of the data, and of the champion's error."""
    metrics.send("ratings", lambda: report.state_metrics(StorageHook().store("ratings"), time.time()))
