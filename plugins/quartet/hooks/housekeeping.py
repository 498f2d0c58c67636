"""The cleanings of the DAG `housekeeping`, each with its retention from the settings."""

import time
from datetime import UTC, datetime
from pathlib import Path

from airflow.sdk import BaseHook, Variable
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSkipException
from sqlalchemy import URL

from include.core.housekeeping import Broom, HousekeepingSettings, Removed, clean_logs, cutoff
from include.core.settings import PlatformSettings
from quartet.hooks.database import DatabaseHook
from quartet.hooks.storage import StorageHook

METADATA, MLFLOW = "quartet_metadata", "quartet_mlflow"
"""Connections of the databases of Airflow and of MLflow's server; either may be missing."""
Counts = dict[str, int]


class HousekeepingHook(BaseHook):
    """
    Remove what has had its time. Everything may die at any line and be done again.

    :param dry_run: only say what would be done.
    """

    def __init__(self, dry_run: bool = False) -> None:
        super().__init__()
        self.dry_run = dry_run
        self.settings = HousekeepingSettings.load()
        self.now = time.time()
        self.storage = StorageHook()

    def compact_ratings(self) -> Counts:
        """Merge the small files of the training table; remove those that no kept version has."""
        from include.ratings import provenance
        from include.ratings.ledger import Ledger
        from include.ratings.settings import RatingsSettings

        store = self.storage.store("ratings")
        ledger = Ledger.existing(store.below("training_table"))
        if ledger is None:
            self.log.info("There is no training table")
            return {}
        retention, used = RatingsSettings.load().retention, provenance.versions_used(store.path)
        counts = ledger.compact(retention, used, dry_run=self.dry_run)
        self.log.info("Retention %s days, models have the versions %s: %s", retention, used, counts)
        return counts

    def clean_ratings(self) -> Counts:
        """Remove old reports of runs, and answers that the champion has given anew."""
        from include.ratings import housekeeping

        root, broom = self.storage.path("ratings"), self._broom()
        if before := self._before("reports_days"):
            housekeeping.clean_reports(root, broom, before)
        if before := self._before("predictions_days"):
            housekeeping.clean_predictions(root, broom, before)
        return broom.removed.as_json()

    def remove_models(self) -> Counts:
        """Remove models that nobody refers to, and what killed trainings have left."""
        from include.ratings import housekeeping
        from include.ratings.pipeline import MODEL
        from quartet.hooks.registry import RegistryHook
        from quartet.hooks.shelf import ShelfHook

        keep = self.settings.models
        self.log.info("%s=%d: %s", self.settings.variable("models"), keep, "others may go" if keep else "all stay")
        with RegistryHook().client() as client:
            shelf = ShelfHook(client, MODEL, datetime.fromtimestamp(self.now, UTC))
            root = self.storage.path("ratings")
            return housekeeping.remove_models(root, shelf, self._broom(), keep)

    def purge_runs(self) -> Counts:
        """Remove what was deleted in MLflow long ago."""
        from quartet.hooks.registry import RegistryHook
        from quartet.hooks.shelf import purge_runs

        if self._before("deleted_runs_days") is None:
            return {}
        address = PlatformSettings.load().registry_uri
        if address.startswith(("http://", "https://")):
            address = self._address(MLFLOW, "mlflow gc").render_as_string(hide_password=False)
        with RegistryHook().client() as client:
            return purge_runs(client, address, self._broom(), self.settings.deleted_runs_days)

    def clean_articles(self) -> Counts:
        """Remove extracts that no run reads, and what runs have left that did not come to their own cleaning."""
        from include.articles import housekeeping, parameters
        from include.articles.settings import ArticleSettings
        from include.articles.sites import load_sites
        from quartet.hooks.articles import VARIABLE

        root, broom = self.storage.path("articles"), self._broom()
        sites = load_sites(ArticleSettings.load())
        variable = Variable.get(VARIABLE, default={}, deserialize_json=True)

        def days(site: str) -> float:
            own = sites[site].parameters if site in sites else {}
            return max(self.settings.extracts_days, parameters.resolve(own, variable).days_of_data)

        if before := self._before("extracts_days"):
            housekeeping.clean_extracts(root, broom, self.now, before, days)
        if before := self._before("article_runs_days"):
            housekeeping.clean_runs(root, broom, before)
        return broom.removed.as_json()

    def clean_audience(self) -> Counts:
        """Remove files of labeling tasks that have ended."""
        from include.audience import housekeeping
        from include.audience.settings import AudienceSettings

        settings, tasks = AudienceSettings.load(), self.storage.path("audience", "tasks")
        return housekeeping.clean_tasks(
            tasks,
            self._broom(),
            lambda task: housekeeping.has_ended(settings, task),
            authors_before=self._before("authors_days"),
            plans_before=self._before("tasks_days"),
        ).as_json()

    def clean_songs(self) -> Counts:
        """Remove broken downloads, leases that have run out, records of listeners that no day refers to."""
        from include.songs import housekeeping

        root, broom, leases = self.storage.path("songs"), self._broom(), 0
        if before := self._before("incoming_days"):
            housekeeping.clean_incoming(root, broom, datetime.fromtimestamp(self.now, UTC), before)
        if before := self._before("leases_days"):
            leases = housekeeping.clean_leases(root, broom, datetime.fromtimestamp(before, UTC))
        if before := self._before("listeners_days"):
            housekeeping.clean_listeners(root, broom, before)
        return {"leases": leases, **broom.removed.as_json()}

    def clean_logs(self) -> Counts:
        """Remove old log files on this machine; those in remote storage are for its own rules."""
        names = ("base_log_folder", "dag_processor_child_process_log_directory")
        folders = {Path(found) for name in names if (found := conf.get("logging", name, fallback=""))}
        done = Removed()
        if before := self._before("logs_days"):
            for folder in sorted(folders):
                done += clean_logs(folder, Broom(folder, self.dry_run), before)
        return done.as_json()

    def clean_metadata(self) -> Counts:
        """Run `airflow db clean`."""
        from quartet.hooks.metadata import MetadataHook

        if (before := self._before("history_days")) is None:
            return {}
        hook = MetadataHook(self._address(METADATA, "airflow db clean"))
        return hook.clean(datetime.fromtimestamp(before, UTC), dry_run=self.dry_run)

    def _broom(self) -> Broom:
        return Broom(self.storage.path(), self.dry_run)

    def _before(self, field: str) -> float | None:
        days = getattr(self.settings, field)
        before = cutoff(self.now, days)
        told = f"what is from before {datetime.fromtimestamp(before, UTC):%Y-%m-%d %H:%M}" if before else "nothing"
        self.log.info("%s=%g: %s may go", self.settings.variable(field), days, told)
        return before

    def _address(self, conn_id: str, command: str) -> URL:
        """Give the address of a database of others; skips the task if its connection is not defined."""
        try:
            self.get_connection(conn_id)
        except AirflowNotFoundException:
            raise AirflowSkipException(
                f"The connection {conn_id} is not defined, so the database is out of reach of tasks: define it, or "
                f"run `{command}` where the database is in reach, see docs/operations.md"
            ) from None
        return DatabaseHook(conn_id).url
