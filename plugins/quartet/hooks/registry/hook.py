"""The hook for MLflow's registry and runs."""

import hashlib
import logging
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from include.core.registry import ModelVersion, NewModel
from include.core.retention import Sweeper
from include.core.settings import PlatformSettings
from include.core.storage import StoragePath, read_bytes, write_whole
from quartet.hooks.registry.deleted_runs import purge_runs
from quartet.hooks.registry.lost_versions import (
    ARTEFACT,
    MISSING,
    MODEL_FOLDER,
    find_run,
    provide_model,
    restore_versions,
)
from quartet.hooks.registry.versions import RegisteredModel
from quartet.hooks.storage import StorageHook

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

CHAMPION = "champion"
MODEL_FILE = "model.pickle"


class RegistryHook(BaseHook):
    """
    Registers models in MLflow; their files are in the platform's storage.

    Files are written with the storage's own connection, and MLflow only learns where they are: it would take S3
    credentials from nowhere but the environment of the process.

    :param storage_conn_id: connection of the storage; MLflow itself is found by `MLFLOW_TRACKING_URI`.
    """

    def __init__(self, storage_conn_id: str = StorageHook.default_conn_name) -> None:
        super().__init__()
        self.storage = StorageHook(storage_conn_id)

    def client(self) -> "MlflowClient":
        """Return MLflow's client, for entities only; it has no access to files in S3."""
        from mlflow import MlflowClient

        return MlflowClient(PlatformSettings.load().registry_uri)

    def experiment(self, name: str) -> str:
        """
        Return the id of the experiment *name*, with its files below `mlflow/`; create it if it does not exist.

        One that was deleted is restored. MLflow cannot change where the files of an experiment are: if the storage was
        moved or replaced, the experiment of before gets another name and keeps its runs.
        """
        from mlflow.exceptions import MlflowException

        client, location = self.client(), self.storage.url("mlflow", name)
        if found := client.get_experiment_by_name(name):
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(found.experiment_id)
            if not _was_moved(found.artifact_location, location):
                return found.experiment_id
            log.warning("The files of %s are now at %s, new runs are in a new experiment", name, location)
            client.rename_experiment(found.experiment_id, f"{name} ({found.experiment_id})")
        try:
            return client.create_experiment(name, artifact_location=location)
        except MlflowException:  # another process was faster
            if found := client.get_experiment_by_name(name):
                return found.experiment_id
            raise

    def find(self, name: str, recipe: str) -> ModelVersion | None:
        """Return the newest version of the model *name* that was trained by *recipe* (its sha256), if there is one."""
        query = f"name = '{name}' and tag.recipe = '{recipe}'"
        found = self.client().search_model_versions(query, max_results=1, order_by=["version_number DESC"])
        return self._describe(name, int(found[0].version)) if found else None

    def _describe(self, name: str, version: int) -> ModelVersion:
        client = self.client()
        found = client.get_model_version(name, str(version))
        run_id = found.run_id or ""
        return ModelVersion(
            version=int(found.version),
            created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC).isoformat(),
            run_id=run_id,
            artefact=found.tags.get(ARTEFACT, f"mlflow/{name}/{run_id}/artifacts/{MODEL_FOLDER}/data/{MODEL_FILE}"),
            tags={key: value for key, value in found.tags.items() if key != ARTEFACT},
            metrics=dict(run.data.metrics) if (run := find_run(client, run_id)) else {},
        )

    def register(self, name: str, new: NewModel) -> ModelVersion:
        """
        Register a trained model as one run and one version of the registered model *name*, whole or not at all.

        :raises DamagedObjectError: the stored file reads back differently; no version is created.
        """
        sha256 = hashlib.sha256(new.artefact).hexdigest()
        tags = {**new.tags, "sha256": sha256}
        client, experiment_id = self.client(), self.experiment(name)
        self._end_abandoned_runs(experiment_id, tags["recipe"])
        run = client.create_run(experiment_id, run_name=tags["dag_run_id"], tags=tags)
        run_id = run.info.run_id
        self._log_batch(run, new.params, new.metrics)
        self._write_model(self.storage.path("mlflow", name, run_id, "artifacts"), new, sha256)
        provide_model(client, name)
        version = client.create_model_version(
            name, source=f"{run.info.artifact_uri}/{MODEL_FOLDER}", run_id=run_id, tags=tags
        )
        client.set_terminated(run_id)
        return self._describe(name, int(version.version))

    def restore(self, name: str, known: Sequence[ModelVersion]) -> None:
        """
        Register again those of the *known* versions of the model *name* that MLflow has lost, under their numbers.

        A later `register` gives none of these numbers again.
        """
        restore_versions(self.client(), self.experiment(name), name, known)

    def rewrite(self, name: str, version: ModelVersion, new: NewModel) -> None:
        """
        Write the files of a version of the model *name* again, from the same model trained anew.

        :raises DamagedObjectError: the stored file reads back differently.
        """
        folder = self.storage.path(version.artefact.removesuffix(f"/{MODEL_FOLDER}/data/{MODEL_FILE}"))
        self._write_model(folder, new, version.sha256)

    def promote(self, name: str, version: int) -> None:
        """Move the alias `champion` of the model *name* to *version*; a version that MLflow has lost gets none."""
        from mlflow.exceptions import MlflowException

        try:
            self.client().set_registered_model_alias(name, CHAMPION, str(version))
        except MlflowException as error:
            if error.error_code != MISSING:
                raise
            log.warning("MLflow has no version %d of %s, its alias %s is not moved", version, name, CHAMPION)

    def record(
        self,
        experiment: str,
        run: str,
        *,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        files: Mapping[str, bytes],
        metrics: Mapping[str, float] = MappingProxyType({}),
        children: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> str:
        """
        Record the result of a DAG run as one run with children; a later record of the same run replaces it.

        :param experiment: where to.
        :param run: name of the DAG run.
        :param params: parameters of the run.
        :param tags: tags of the run.
        :param files: name → content of the files kept with it.
        :param metrics: metrics of the run.
        :param children: name → values of its child runs; numbers become metrics, the rest parameters.
        :return: id of the MLflow run.
        """
        client, experiment_id = self.client(), self.experiment(experiment)
        for earlier in client.search_runs([experiment_id], f"tags.dag_run_id = '{run}'"):
            client.delete_run(earlier.info.run_id)
        parent = client.create_run(experiment_id, run_name=run, tags={**tags, "dag_run_id": run})
        parent_id = parent.info.run_id
        self._log_batch(parent, params, metrics)
        for name, values in children.items():
            child_tags = {"mlflow.parentRunId": parent_id, "dag_run_id": run}
            child = client.create_run(experiment_id, run_name=name, tags=child_tags)
            numbers = {key: float(value) for key, value in values.items() if isinstance(value, int | float)}
            rest = {key: value for key, value in values.items() if key not in numbers and value is not None}
            self._log_batch(child, rest, numbers)
            client.set_terminated(child.info.run_id)
        self._write_files(parent, files)
        client.set_terminated(parent_id)
        return parent_id

    def versions(self, name: str, now: datetime) -> RegisteredModel:
        """Return the versions of the model *name*, for removing them; *now* is the time, with its zone."""
        return RegisteredModel(self.client(), self.storage, name, now)

    def purge_runs(self, address: str, sweeper: Sweeper, days: float) -> dict[str, int]:
        """
        Remove runs that were deleted *days* ago or earlier for good, with their files in the platform's storage.

        :param address: URL of MLflow's database.
        :param sweeper: removes objects from the storage.
        :param days: days since the deletion.
        :return: counts `runs`, `objects` and `bytes`.
        """
        return purge_runs(self.client(), self.storage, address, sweeper, days)

    def _log_batch(self, run: "Run", params: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric, Param

        self.client().log_batch(
            run.info.run_id,
            metrics=[Metric(key, value, run.info.start_time, 0) for key, value in metrics.items()],
            params=[Param(key, str(value)) for key, value in params.items()],
        )

    def _write_model(self, folder: StoragePath, new: NewModel, sha256: str) -> None:
        for path, content in _packed(new).items():
            write_whole(folder / MODEL_FOLDER / path, content)
        read_bytes(folder / MODEL_FOLDER / "data" / MODEL_FILE, sha256=sha256)

    def _write_files(self, run: "Run", files: Mapping[str, bytes]) -> None:
        folder = self.storage.path_at(str(run.info.artifact_uri))
        for path, content in files.items():
            write_whole(folder / path, content)

    def _end_abandoned_runs(self, experiment_id: str, recipe: str) -> None:
        """Mark the runs that a killed attempt has left as killed."""
        client, query = self.client(), f"tags.recipe = '{recipe}' and attributes.status = 'RUNNING'"
        for run in client.search_runs([experiment_id], query):
            client.set_terminated(run.info.run_id, "KILLED")


def _was_moved(location: str, now: str) -> bool:
    """Return whether *location* is that of the same experiment below another root of the platform's storage."""
    inside = "/".join(["", *now.rsplit("/", 2)[1:]])
    return location.rstrip("/") != now and location.rstrip("/").endswith(inside)


def _packed(new: NewModel) -> dict[str, bytes]:
    """Return the files of a model as MLflow lays them out: path → content."""
    import mlflow.pyfunc

    with tempfile.TemporaryDirectory() as folder:
        model_file, packed = Path(folder) / MODEL_FILE, Path(folder) / MODEL_FOLDER
        model_file.write_bytes(new.artefact)
        mlflow.pyfunc.save_model(
            str(packed),
            loader_module=new.loader_module,
            data_path=str(model_file),
            pip_requirements=new.requirements,
        )
        files = (path for path in packed.rglob("*") if path.is_file())
        return {path.relative_to(packed).as_posix(): path.read_bytes() for path in files}
