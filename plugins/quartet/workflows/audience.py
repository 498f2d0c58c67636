"""The labeling task that a DAG run works on."""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.log import mask_secret

from include.audience import request
from include.audience.pipeline import Pipeline
from include.audience.settings import AudienceSettings
from include.audience.state import Figures, TaskStoppedError
from quartet.hooks import metrics
from quartet.hooks.airflow_api import AirflowApiHook
from quartet.hooks.storage import StorageHook


class AudienceHook(BaseHook):
    """
    Give the steps of a labeling task.

    Servers, users and passwords are settings (`INPUT_*`, `OUTPUT_*`); the passwords are masked in logs from then on.
    """

    @contextmanager
    def pipeline(self, context: Mapping[str, Any]) -> Iterator[Pipeline]:
        """
        Give the steps of the run's task; a task that was aborted skips what asks for it.

        :param context: of the Airflow task; its params are the fields of the request.
        :raises BadDataError: the params are not valid.
        """
        run, settings = context["dag_run"], AudienceSettings.load()
        for secret in (settings.input_password, settings.output_password):
            mask_secret(secret.get_secret_value())
        # without an id in the params the run's name and instant give one, the same at each try
        own_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{run.dag_id} {run.run_id} {run.run_after}").hex
        task = request.from_params(context["params"], settings, own_id)
        folder = StorageHook().path("audience", "tasks", task.task_id)
        try:
            yield Pipeline(settings, task, folder, run.run_id, time.time)
        except TaskStoppedError as stopped:
            AirflowApiHook().note(context, str(stopped))
            raise AirflowSkipException(str(stopped)) from None


def measure_source(pipeline: Pipeline) -> None:
    """Report the age of the source's newest post."""
    metrics.send("audience", lambda: {"data_lag_hours": pipeline.lag_hours()}, _schema(pipeline))


def measure_labels(pipeline: Pipeline, found: Figures) -> None:
    """Report what the label stage found."""
    figures = {"posts": found.received, "labelled_rows": found.written, "label_minutes": found.minutes}
    metrics.send("audience", figures, _schema(pipeline))


def measure_panels(pipeline: Pipeline, produced: Mapping[str, int]) -> None:
    """Report the share of authors in a panel, for each result table."""
    with metrics.log_errors("audience"):
        for table, share in pipeline.coverage(produced).items():
            metrics.send("audience", {"coverage": share}, _schema(pipeline) | {"table": table})


def _schema(pipeline: Pipeline) -> dict[str, str]:
    return {"schema": pipeline.task.target_schema}
