"""Versions of a registered model that MLflow has lost: the model or the whole database was deleted."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from include.core.registry import ModelVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

MODEL_FOLDER = "model"
ARTEFACT = "artefact"
"""Tag of a restored version: path of its file below the storage root, which its new run does not have."""
MISSING = "RESOURCE_DOES_NOT_EXIST"
"""MLflow's code of an error."""


def find_run(client: "MlflowClient", run_id: str) -> "Run | None":
    """Return a run, deleted or not; `None`: it was removed for good."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != MISSING:
            raise
        return None


def provide_model(client: "MlflowClient", name: str) -> None:
    """Create the registered model *name* if it does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != MISSING:
            raise
        client.create_registered_model(name)


def restore_versions(client: "MlflowClient", experiment_id: str, name: str, known: Sequence[ModelVersion]) -> None:
    """
    Register again those of the *known* versions that MLflow has lost, under their numbers.

    MLflow counts on from the highest number that it ever gave, of which it does not show those of deleted versions.
    Numbers that no known version has are used up, so that no later version gets one that was given before.

    :param client: MLflow's client.
    :param experiment_id: experiment for the runs that are lost, too.
    :param name: of the registered model.
    :param known: versions with their number, tags and metrics.
    """
    provide_model(client, name)
    by_number, newest = {each.version: each for each in known}, max((each.version for each in known), default=0)
    number = max((int(each.version) for each in client.search_model_versions(f"name = '{name}'")), default=0) + 1
    while number <= newest:
        lost = by_number.get(number)
        run = _restored_run(client, experiment_id, lost)
        tags = {**lost.tags, ARTEFACT: lost.artefact} if lost else {}
        source = f"{run.info.artifact_uri}/{MODEL_FOLDER}"
        made = client.create_model_version(name, source=source, run_id=run.info.run_id, tags=tags)
        if int(made.version) == number and lost:
            log.info("Version %d of %s is registered again", number, name)
        else:
            client.delete_model_version(name, made.version)
        number = int(made.version) + 1


def _restored_run(client: "MlflowClient", experiment_id: str, lost: ModelVersion | None) -> "Run":
    """Return the run of a version, made anew if it is lost, too; without a version, a deleted one."""
    if lost and (run := find_run(client, lost.run_id)):
        return run
    run = client.create_run(experiment_id, run_name=lost.tags["dag_run_id"] if lost else None, tags=lost and lost.tags)
    client.set_terminated(run.info.run_id)
    if lost:
        for key, value in lost.metrics.items():
            client.log_metric(run.info.run_id, key, value)
    else:
        client.delete_run(run.info.run_id)
    return run
