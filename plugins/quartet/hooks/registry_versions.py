"""MLflow's registry and runs, as far as housekeeping removes them."""

import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from include.core.registry import RegisteredVersion
from include.core.retention import Sweeper
from include.core.storage import StoragePath
from quartet.hooks.storage import StorageHook

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

PAGE = 1_000
TRAINING = timedelta(days=1)
"""After so long no training works on a run any more."""


class ModelVersionsHook(BaseHook):
    """
    List and remove the versions of one registered model and their runs.

    :param client: MLflow's, see `RegistryHook.client`.
    :param name: of the model, and of the experiment of its trainings.
    :param now: the time, with its zone.
    """

    def __init__(self, client: "MlflowClient", name: str, now: datetime) -> None:
        super().__init__()
        self.client = client
        self.name = name
        self.now = now
        self.storage = StorageHook()

    def versions(self) -> dict[int, RegisteredVersion]:
        """List all versions."""
        if not self.client.search_registered_models(f"name = '{self.name}'"):
            return {}
        aliases: dict[int, list[str]] = {}
        for alias, version in self.client.get_registered_model(self.name).aliases.items():
            aliases.setdefault(int(version), []).append(alias)
        listed = _all(self.client.search_model_versions, f"name = '{self.name}'", max_results=PAGE)
        return {
            int(each.version): RegisteredVersion(each.run_id or "", tuple(aliases.get(int(each.version), ())))
            for each in listed
        }

    def find(self, version: int) -> RegisteredVersion | None:
        """Look at one version as it is now; `None`: there is none."""
        return self.versions().get(version)

    def abandoned_runs(self) -> list[str]:
        """List the runs of trainings that began a day ago or earlier and that no version has."""
        experiment = self.client.get_experiment_by_name(self.name)
        if experiment is None:
            return []
        begun = int((self.now - TRAINING).timestamp() * 1000)
        pattern = f"tags.recipe != '' and attributes.start_time < {begun}"
        runs = _all(self.client.search_runs, [experiment.experiment_id], pattern, max_results=PAGE)
        ids = [run.info.run_id for run in runs]
        kept = {each.run_id for each in self.versions().values()} if ids else set()
        return [run_id for run_id in ids if run_id not in kept]

    def folder(self, run_id: str) -> StoragePath:
        """Give the folder of a run's files."""
        return self.storage.path("mlflow", self.name, run_id)

    def delete_version(self, version: int) -> None:
        """Take a version from the registry."""
        self.client.delete_model_version(self.name, str(version))

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted; done twice it is done once."""
        for run in self.client.search_runs(
            [self.client.get_run(run_id).info.experiment_id], f"attributes.run_id = '{run_id}'"
        ):
            self.client.delete_run(run.info.run_id)


def purge_runs(client: "MlflowClient", address: str, sweeper: Sweeper, days: float) -> dict[str, int]:
    """
    Remove runs that were deleted *days* ago or earlier, with their files: what `mlflow gc` does, but only for runs
    whose files are in the platform's storage, and never for one that a model version has.

    :param client: MLflow's.
    :param address: of MLflow's database; only there a run can be removed.
    :param sweeper: of the storage.
    :param days: since a run was deleted.
    :return: counts `runs`, `objects` and `bytes`.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    storage = StorageHook()
    store = SqlAlchemyStore(address, storage.url("mlflow"))
    try:
        purged = 0
        deleted = store._get_deleted_runs(older_than=int(days * 86_400_000))
        for run_id in deleted:
            folder = _own_folder(storage, run_id, store.get_run(run_id).info.artifact_uri or "")
            if folder is None:
                log.info("Run %s stays: its files are not in the platform's storage", run_id)
            elif client.search_model_versions(f"run_id = '{run_id}'", max_results=1):
                log.warning("Run %s stays: it was deleted, but a model version has it", run_id)
            else:
                sweeper.sweep_away(folder, f"files of the deleted run {run_id}")
                if not sweeper.dry_run:
                    store._hard_delete_run(run_id)
                purged += 1
    finally:
        store._dispose_engine()
    log.info("%d of %d deleted runs %s", purged, len(deleted), "would be removed" if sweeper.dry_run else "removed")
    return {"runs": purged, **sweeper.removed.as_json()}


def _own_folder(storage: StorageHook, run_id: str, artifact_uri: str) -> StoragePath | None:
    """Give the folder of a run below the storage's `mlflow/`; `None`: its files lie elsewhere."""
    inside, _, _ = artifact_uri.removeprefix(f"{storage.root}/").rpartition("/artifacts")
    if not re.fullmatch(rf"mlflow/[^/]+/{run_id}", inside):
        return None
    return storage.path(inside)


def _all(search: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
    """Give the entities of all pages."""
    page = search(*arguments, **options)
    yield from page
    while page.token:
        page = search(*arguments, **options, page_token=page.token)
        yield from page
