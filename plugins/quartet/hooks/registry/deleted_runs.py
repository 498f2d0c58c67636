"""Removal of runs that were deleted in MLflow."""

import logging
import re
from typing import TYPE_CHECKING

from include.core.retention import Sweeper
from include.core.storage import StoragePath
from quartet.hooks.storage import StorageHook

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

DAY_MILLISECONDS = 86_400_000


def purge_runs(
    client: "MlflowClient", storage: StorageHook, address: str, sweeper: Sweeper, days: float
) -> dict[str, int]:
    """
    Remove runs that were deleted *days* ago or earlier, with their files.

    It does what `mlflow gc` does, but only for runs with files in the platform's storage, and never for a run that a
    model version has.

    :param client: MLflow's client.
    :param storage: the platform's storage.
    :param address: URL of MLflow's database, the only place where a run can be removed.
    :param sweeper: removes objects from the storage.
    :param days: days since the deletion.
    :return: counts `runs`, `objects` and `bytes`.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(address, storage.url("mlflow"))
    try:
        purged = 0
        deleted = store._get_deleted_runs(older_than=int(days * DAY_MILLISECONDS))
        for run_id in deleted:
            folder = _own_folder(storage, run_id, store.get_run(run_id).info.artifact_uri or "")
            if folder is None:
                log.info("Run %s is kept: its files are not in the platform's storage", run_id)
            elif client.search_model_versions(f"run_id = '{run_id}'", max_results=1):
                log.warning("Run %s is kept: it was deleted, but a model version has it", run_id)
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
    """Return the folder of a run below the storage's `mlflow/`; `None`: its files are elsewhere."""
    inside, _, _ = artifact_uri.removeprefix(f"{storage.root}/").rpartition("/artifacts")
    if not re.fullmatch(rf"mlflow/[^/]+/{run_id}", inside):
        return None
    return storage.path(inside)
