"""The registry of models: MLflow, a version for each training, the alias `champion` on the one that is used."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from include.core.registry import ModelVersion, NewModel
from include.core.settings import PlatformSettings
from include.core.storage import read_bytes
from quartet.hooks.storage import StorageHook

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
ARTEFACT = "model.pickle"


class RegistryHook(BaseHook):
    """
    Keep models in MLflow's registry, their files in the platform's storage.

    :param storage_conn_id: connection of the storage; MLflow itself is found by `MLFLOW_TRACKING_URI`.
    """

    def __init__(self, storage_conn_id: str = StorageHook.default_conn_name) -> None:
        super().__init__()
        self.storage = StorageHook(storage_conn_id)

    @contextmanager
    def client(self) -> Iterator["MlflowClient"]:
        """Give MLflow's client, with the storage's credentials in the environment while it is used."""
        from mlflow import MlflowClient

        credentials = self.storage.environment()
        before = {name: os.environ.get(name) for name in credentials}
        os.environ.update(credentials)
        try:
            yield MlflowClient(PlatformSettings.load().registry_uri)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def experiment(self, client: "MlflowClient", name: str) -> str:
        """Give the id of the experiment *name*; it is made when it does not exist, its files below `mlflow/`."""
        from mlflow.exceptions import MlflowException

        if found := client.get_experiment_by_name(name):
            return found.experiment_id
        try:
            return client.create_experiment(name, artifact_location=self.storage.url("mlflow", name))
        except MlflowException:  # somebody else was faster
            if found := client.get_experiment_by_name(name):
                return found.experiment_id
            raise

    def find(self, name: str, recipe: str) -> ModelVersion | None:
        """Give the version of the model *name* that was trained by *recipe* (its sha256), if there is one."""
        with self.client() as client:
            found = client.search_model_versions(f"name = '{name}' and tag.recipe = '{recipe}'", max_results=1)
            return self._describe(client, name, int(found[0].version)) if found else None

    def _describe(self, client: "MlflowClient", name: str, version: int) -> ModelVersion:
        found = client.get_model_version(name, str(version))
        run_id = found.run_id or ""
        return ModelVersion(
            version=int(found.version),
            created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC).isoformat(),
            run_id=run_id,
            artefact=f"mlflow/{name}/{run_id}/artifacts/model/data/{ARTEFACT}",
            tags=dict(found.tags),
            metrics=dict(client.get_run(run_id).data.metrics),
        )

    def register(self, name: str, new: NewModel) -> ModelVersion:
        """
        Keep a trained model as one run and one version of the registered model *name*, whole or not at all.

        :raises DamagedObjectError: the stored file reads back differently; no version is made.
        """
        import mlflow.pyfunc

        sha256 = hashlib.sha256(new.artefact).hexdigest()
        tags = {**new.tags, "sha256": sha256}
        with self.client() as client:
            experiment_id = self.experiment(client, name)
            self._end_abandoned_runs(client, experiment_id, tags["recipe"])
            run = client.create_run(experiment_id, run_name=tags["dag_run_id"], tags=tags)
            run_id = run.info.run_id
            self._log_batch(client, run_id, new.params, new.metrics, run.info.start_time)
            with tempfile.TemporaryDirectory() as folder:
                model_file = Path(folder) / ARTEFACT
                model_file.write_bytes(new.artefact)
                packed = Path(folder) / "model"
                mlflow.pyfunc.save_model(
                    str(packed),
                    loader_module=new.loader_module,
                    data_path=str(model_file),
                    pip_requirements=new.requirements,
                )
                client.log_artifacts(run_id, str(packed), "model")
            stored = self.storage.path("mlflow", name, run_id, "artifacts", "model", "data", ARTEFACT)
            read_bytes(stored, sha256=sha256)
            try:
                client.get_registered_model(name)
            except mlflow.MlflowException:
                client.create_registered_model(name)
            version = client.create_model_version(
                name, source=f"{run.info.artifact_uri}/model", run_id=run_id, tags=tags
            )
            client.set_terminated(run_id)
            return self._describe(client, name, int(version.version))

    def promote(self, name: str, version: int) -> None:
        """Move the alias `champion` of the model *name* to *version*."""
        with self.client() as client:
            client.set_registered_model_alias(name, CHAMPION, str(version))

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
        Record what a DAG run found out as one run with children; done again it replaces the earlier record.

        :param experiment: where to.
        :param run: name of the DAG run.
        :param params: parameters of the run.
        :param tags: tags of the run.
        :param files: name → content of what is kept with it.
        :param metrics: its figures.
        :param children: name → values of its child runs; numbers become metrics, the rest parameters.
        :return: id of the MLflow run.
        """
        with self.client() as client:
            experiment_id = self.experiment(client, experiment)
            for earlier in client.search_runs([experiment_id], f"tags.dag_run_id = '{run}'"):
                client.delete_run(earlier.info.run_id)
            parent = client.create_run(experiment_id, run_name=run, tags={**tags, "dag_run_id": run}).info
            self._log_batch(client, parent.run_id, params, metrics, parent.start_time)
            for name, values in children.items():
                tags = {"mlflow.parentRunId": parent.run_id, "dag_run_id": run}
                child = client.create_run(experiment_id, run_name=name, tags=tags).info
                metrics = {key: float(value) for key, value in values.items() if isinstance(value, int | float)}
                rest = {key: value for key, value in values.items() if key not in metrics and value is not None}
                self._log_batch(client, child.run_id, rest, metrics, child.start_time)
                client.set_terminated(child.run_id)
            with tempfile.TemporaryDirectory() as folder:
                for name, content in files.items():
                    (Path(folder) / name).write_bytes(content)
                client.log_artifacts(parent.run_id, folder)
            client.set_terminated(parent.run_id)
            return parent.run_id

    @staticmethod
    def _log_batch(
        client: "MlflowClient", run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float], at: int
    ) -> None:
        from mlflow.entities import Metric, Param

        client.log_batch(
            run_id,
            metrics=[Metric(key, value, at, 0) for key, value in metrics.items()],
            params=[Param(key, str(value)) for key, value in params.items()],
        )

    @staticmethod
    def _end_abandoned_runs(client: "MlflowClient", experiment_id: str, recipe: str) -> None:
        """Mark the runs of an earlier try that was killed as such."""
        pattern = f"tags.recipe = '{recipe}' and attributes.status = 'RUNNING'"
        for run in client.search_runs([experiment_id], pattern):
            client.set_terminated(run.info.run_id, "KILLED")
