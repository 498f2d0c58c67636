"""Steps of the DAG `housekeeping`: the workflows' retention rules, and data that belongs to no workflow."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSkipException
from sqlalchemy import URL

from include.core.registry import ModelVersions
from include.core.retention import Cleaning, Counts, PlatformRetention, Removed, Rule, Sweeper, clean_logs
from include.core.settings import PlatformSettings
from quartet.hooks.database import DatabaseHook
from quartet.hooks.registry import RegistryHook
from quartet.hooks.storage import StorageHook
from quartet.workflows.common import json_variable

METADATA, MLFLOW = "quartet_metadata", "quartet_mlflow"
"""Connections to the databases of Airflow and of MLflow's server; either may be missing."""


def housekeeping_run(context: Mapping[str, Any]) -> "Housekeeping":
    """Build the steps of a run from the context of one of its tasks."""
    return Housekeeping(context["params"]["dry_run"])


class Housekeeping:
    """
    Steps that remove expired data; each may be killed at any line and run again.

    Args:
        dry_run: whether to only log and count what would be removed.
    """

    def __init__(self, dry_run: bool = False) -> None:
        self.dry_run = dry_run
        self.now = time.time()
        self.storage = StorageHook()

    def clean(self, workflow: str, rule: Rule) -> Counts:
        """Apply a retention rule of the workflow with this name."""
        return rule.clean(self._cleaning(workflow))

    def purge_runs(self) -> Counts:
        """Permanently remove runs that were deleted in MLflow long ago."""
        settings, cleaning = PlatformRetention.load(), self._cleaning("mlflow")
        if cleaning.before(settings, "deleted_runs_days") is None:
            return {}
        address = PlatformSettings.load().registry_uri
        if address.startswith(("http://", "https://")):
            address = self._address(MLFLOW, "mlflow gc").render_as_string(hide_password=False)
        return RegistryHook().purge_runs(address, cleaning.sweeper, settings.deleted_runs_days)

    def clean_logs(self) -> Counts:
        """Remove old log files on this machine; remote storage has its own rules."""
        names = ("base_log_folder", "dag_processor_child_process_log_directory")
        folders = {Path(found) for name in names if (found := conf.get("logging", name, fallback=""))}
        removed = Removed()
        if before := self._cleaning("logs").before(PlatformRetention.load(), "logs_days"):
            for folder in sorted(folders):
                removed += clean_logs(folder, Sweeper(folder, self.dry_run), before)
        return removed.as_json()

    def clean_metadata(self) -> Counts:
        """Run `airflow db clean`."""
        from quartet.hooks.metadata import MetadataHook

        if (before := self._cleaning("logs").before(PlatformRetention.load(), "history_days")) is None:
            return {}
        hook = MetadataHook(self._address(METADATA, "airflow db clean"))
        return hook.clean(datetime.fromtimestamp(before, UTC), dry_run=self.dry_run)

    def _cleaning(self, folder: str) -> Cleaning:
        return Cleaning(
            store=self.storage.store(folder),
            sweeper=Sweeper(self.storage.path(), self.dry_run),
            now=self.now,
            model_versions=self._model_versions,
            variable=json_variable,
        )

    def _model_versions(self, name: str) -> ModelVersions:
        return RegistryHook().versions(name, datetime.fromtimestamp(self.now, UTC))

    def _address(self, conn_id: str, command: str) -> URL:
        """Return the address of another system's database; skip the task if its connection is not defined."""
        try:
            BaseHook.get_connection(conn_id)
        except AirflowNotFoundException:
            raise AirflowSkipException(
                f"The connection {conn_id} is not defined, so tasks cannot reach the database: define it, or run "
                f"`{command}` where the database is reachable, see docs/operations.md"
            ) from None
        return DatabaseHook(conn_id).url
