"""The versions of a registered model and their runs, as housekeeping removes them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.core.registry import RegisteredVersion
from include.core.storage import StoragePath
from quartet.hooks.storage import StorageHook

if TYPE_CHECKING:
    from mlflow import MlflowClient

PAGE = 1_000
MAX_TRAINING = timedelta(days=1)
"""Longest time that a training works on a run."""


class RegisteredModel:
    """
    Lists and removes the versions of one registered model, and their runs.

    :param client: MLflow's client.
    :param storage: the platform's storage.
    :param name: of the model, and of the experiment of its trainings.
    :param now: the time, with its zone.
    """

    def __init__(self, client: "MlflowClient", storage: StorageHook, name: str, now: datetime) -> None:
        self.client = client
        self.storage = storage
        self.name = name
        self.now = now

    def versions(self) -> dict[int, RegisteredVersion]:
        """Return all versions."""
        if not self.client.search_registered_models(f"name = '{self.name}'"):
            return {}
        aliases: dict[int, list[str]] = {}
        for alias, version in self.client.get_registered_model(self.name).aliases.items():
            aliases.setdefault(int(version), []).append(alias)
        listed = _all_pages(self.client.search_model_versions, f"name = '{self.name}'", max_results=PAGE)
        return {
            int(each.version): RegisteredVersion(each.run_id or "", tuple(aliases.get(int(each.version), ())))
            for each in listed
        }

    def find(self, version: int) -> RegisteredVersion | None:
        """Return one version as it is now; `None`: there is none."""
        return self.versions().get(version)

    def abandoned_runs(self) -> list[str]:
        """Return the runs of trainings that began a day ago or earlier and that no version has."""
        experiment = self.client.get_experiment_by_name(self.name)
        if experiment is None:
            return []
        begun = int((self.now - MAX_TRAINING).timestamp() * 1000)
        query = f"tags.recipe != '' and attributes.start_time < {begun}"
        runs = _all_pages(self.client.search_runs, [experiment.experiment_id], query, max_results=PAGE)
        ids = [run.info.run_id for run in runs]
        used = {each.run_id for each in self.versions().values()} if ids else set()
        return [run_id for run_id in ids if run_id not in used]

    def folder(self, run_id: str) -> StoragePath:
        """Return the folder of a run's files."""
        return self.storage.path("mlflow", self.name, run_id)

    def delete_version(self, version: int) -> None:
        """Delete a version from the registry."""
        self.client.delete_model_version(self.name, str(version))

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted. Idempotent."""
        experiment_id = self.client.get_run(run_id).info.experiment_id
        for run in self.client.search_runs([experiment_id], f"attributes.run_id = '{run_id}'"):
            self.client.delete_run(run.info.run_id)


def _all_pages(search: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
    page = search(*arguments, **options)
    yield from page
    while page.token:
        page = search(*arguments, **options, page_token=page.token)
        yield from page
