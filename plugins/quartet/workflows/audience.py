"""Runs of the audience DAGs: from the context of an Airflow task to a labeling task, or to requests for several."""

import time
import uuid
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from airflow.sdk.log import mask_secret

from include.audience import failures, layout, schedule
from include.audience.pipeline import Dependencies, Pipeline
from include.audience.request import PreviewParams, validated
from include.audience.settings import AudienceSettings
from include.audience.task import task_of_params
from include.core.database.errors import classify_errors
from include.core.errors import BadDataError
from include.core.storage import read_bytes, write_json
from quartet.hooks import metrics
from quartet.hooks.airflow_api import AirflowApiHook
from quartet.hooks.storage import StorageHook
from quartet.workflows.common import skipping


@contextmanager
def audience_run(context: MutableMapping[str, Any]) -> Iterator[Pipeline]:
    """
    Yield the steps of a run of `audience_labeling`; once its labeling task is aborted, Airflow tasks are skipped.

    Passwords of the databases are masked in logs from now on.

    Args:
        context: context of the Airflow task; its params are the fields of the request.

    Raises:
        BadDataError: the params are invalid; the task is listed as failed.
    """
    run, settings = context["dag_run"], AudienceSettings.load()
    _mask_passwords(settings)
    own_id = _id_of(run)
    dependencies = Dependencies(
        settings=settings,
        root=StorageHook().path("audience"),
        clock=time.time,
        measure=partial(metrics.send, "audience"),
        note=partial(AirflowApiHook().note, context),
        name_batch=lambda name: context.update(span=name),
    )
    try:
        task = task_of_params(context["params"], settings, own_id)
        settings.check_output(task.output_schema)
    except BadDataError as error:
        failures.record_refused(settings, context["params"], own_id, run.run_id, error, time.time())
        raise
    with skipping(context):
        yield Pipeline(dependencies, task, run.run_id)


def requests(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a run of `audience_schemas` starts: a run of `audience_labeling` for each schema."""
    run = context["dag_run"]
    instant = run.run_after.astimezone(AudienceSettings.load().zone).replace(tzinfo=None)
    return schedule.requests(context["params"], instant, run.run_id)


def preview(context: Mapping[str, Any]) -> str:
    """Compare new rules with those in force, write the report to storage, and return the id of the preview."""
    from include.audience.preview import preview as comparison

    run, settings = context["dag_run"], AudienceSettings.load()
    _mask_passwords(settings)
    params = {name: value for name, value in context["params"].items() if value is not None}
    request = validated(PreviewParams, params)
    preview_id = request.preview_id or _id_of(run)
    root = StorageHook().path("audience")
    with suppress(FileNotFoundError):
        request.rules = read_bytes(layout.preview_rules_file(root, preview_id)).decode()
    with classify_errors():
        report = comparison.run(request, settings)
    write_json(layout.preview_file(root, preview_id), report)
    changed = f"{report['posts_changed']} posts and {report['authors_changed']} authors change"
    AirflowApiHook().note(context, f"preview {preview_id}: {changed} their panel, of {report['received']} posts")
    return preview_id


def _mask_passwords(settings: AudienceSettings) -> None:
    for secret in (settings.input_password, settings.output_password):
        mask_secret(secret.get_secret_value())


def _id_of(run: Any) -> str:
    """Return an id derived from a run, so that it is the same in every attempt."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{run.dag_id} {run.run_id} {run.run_after}").hex
