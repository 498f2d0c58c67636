"""Runs of the ratings workflow on the platform's storage and MLflow, without Airflow."""

from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from quartet.workflows.ratings import ratings_run


def context(run_id: str, dag_id: str = "ratings_train", **params: Any) -> dict[str, Any]:
    """Build the part of a task's context that the workflow looks at."""
    run = SimpleNamespace(dag_id=dag_id, run_id=run_id, run_after=datetime.now(UTC), triggering_user_name=None)
    return {"dag_run": run, "params": params}


def train(run_id: str, **params: Any) -> None:
    """Run `ratings_train`."""
    with suppress(AirflowSkipException):
        with ratings_run(context(run_id, **params)) as run:
            plan = run.ingest()
        with ratings_run(context(run_id, **params)) as run:
            run.train(plan)


def predict(run_id: str) -> None:
    """Run `ratings_predict`."""
    with suppress(AirflowSkipException), ratings_run(context(run_id, "ratings_predict")) as run:
        run.predict()
