"""The run of article recommendations that a DAG run works on."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from typing import Any

from airflow.sdk import BaseHook, ObjectStoragePath, Variable
from airflow.sdk.exceptions import AirflowSkipException

from include.articles import parameters, report
from include.articles import run as runs
from include.articles.database import models, schema
from include.articles.events import events_url
from include.articles.pipeline import NoTrainingError, Pipeline, Surroundings
from include.articles.run import ARTICLE, POPULARITY, Plan
from include.articles.settings import PARAMETERS, ArticleSettings
from include.articles.sites.configuration import Site, find_site, load_sites
from quartet.hooks import metrics
from quartet.hooks.airflow_api import AirflowApiHook
from quartet.hooks.database import DatabaseHook
from quartet.hooks.registry import RegistryHook
from quartet.hooks.site import SiteHook
from quartet.hooks.storage import StorageHook


class ArticlesHook(BaseHook):
    """
    Give the steps of a run of a site.

    :param site: name of the site.
    :param articles_conn_id: connection of the database.
    """

    conn_name_attr = "articles_conn_id"
    default_conn_name = "quartet_articles"

    def __init__(self, site: str, articles_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.site = site
        self.articles_conn_id = articles_conn_id

    @contextmanager
    def pipeline(self, context: Mapping[str, Any]) -> Iterator[Pipeline]:
        """
        Give the steps of the run; an error is kept with the run's models.

        :param context: of the Airflow task; one that has nothing to do in this run is skipped.
        """
        storage = StorageHook()
        folder = runs.folder_name(_run_at(context), context["dag_run"].run_id)
        around = Surroundings(
            folder=storage.path("articles", self.site, "runs", folder),
            extracts=storage.path("articles", self.site, "extracts"),
            open_database=DatabaseHook(self.articles_conn_id).engine,
            open_events=self._events,
            open_site=self._site,
            measure=self._measure,
            clock=lambda: datetime.now(UTC),
        )
        pipeline = Pipeline(find_site(load_sites(ArticleSettings.load()), self.site), around)
        try:
            with pipeline.noting_errors():
                yield pipeline
        except NoTrainingError as reason:
            raise AirflowSkipException(str(reason)) from None

    def plan(self, context: Mapping[str, Any]) -> Plan:
        """
        Make the plan of the run from its params, the Airflow Variable, the environment and the defaults.

        :raises BadDataError: a value is not allowed.
        """
        params, run = context["params"], context["dag_run"]
        own = {name: params.get(name) for name in PARAMETERS}
        settings = parameters.resolve(own, Variable.get(parameters.VARIABLE, default={}, deserialize_json=True))
        train = params.get("train")
        if train is None:
            train = run.run_type != "backfill"
        return Plan(self.site, run.run_id, _run_at(context), train, settings)

    def publish(self, context: Mapping[str, Any], pipeline: Pipeline) -> None:
        """Put the report of the run where people look: MLflow, the folder of artefacts, the note of the DAG run."""
        found, images = pipeline.report()
        steps = found["steps"]
        RegistryHook().record(
            f"articles {self.site}",
            found["run_id"],
            params=found["parameters"],
            tags={"site": self.site, "run_at": found["run_at"]},
            metrics=report.flat(steps),
            files={**images, runs.REPORT: json.dumps(found, indent=1).encode()},
        )
        try:
            self._keep_artefacts(pipeline)
        except Exception:
            self.log.warning("The artefacts were not kept", exc_info=True)
        AirflowApiHook().note(context, report.summary(found))
        self._measure("job_time", _seconds(context), status="success")

    def _keep_artefacts(self, pipeline: Pipeline) -> None:
        if url := pipeline.plan.settings.artifacts_url:
            pipeline.keep_artefacts(StorageHook().path_at(url) / self.site)

    def record_failure(self, context: Mapping[str, Any]) -> None:
        """Mark the models of a failed run as failed."""
        with self.pipeline(context) as pipeline:
            pipeline.fail(str(context.get("exception") or context.get("reason") or "a task of the run failed"))
            figures, tags = {"job_time": _seconds(context)}, {"site": self.site, "status": "failure"}
            metrics.send("article_recs", figures, tags, in_callback=True)

    def _site(self, site: Site, base_url: str) -> Any:
        return SiteHook(site, base_url).fetch

    def _events(self, location: str) -> ObjectStoragePath:
        return StorageHook().path_at(events_url(location))

    def _measure(self, name: str, value: float, **tags: str) -> None:
        metrics.send("article_recs", {name: value}, {"site": self.site, **tags})


def measure_state() -> None:
    """Report the age of each model that is served, of the sites that have a schedule."""
    now = datetime.now(UTC)
    sites = [site.name for site in load_sites(ArticleSettings.load()).values() if site.enabled]
    with DatabaseHook(ArticlesHook.default_conn_name).engine() as engine:
        schema.upgrade(engine)
        for site, kind in product(sites, (POPULARITY, ARTICLE)):
            if found := models.current(engine, site, kind):
                age = (now - found.data_as_of).total_seconds() / 3600
                metrics.send("article_recs", {"model_age_hours": age}, {"site": site, "type": kind})


def _run_at(context: Mapping[str, Any]) -> datetime:
    if given := context["params"].get("run_at"):
        return runs.instant(given)
    run = context["dag_run"]
    return (run.logical_date or run.run_after).astimezone(UTC)


def _seconds(context: Mapping[str, Any]) -> float:
    began = context["dag_run"].start_date
    return (datetime.now(UTC) - began).total_seconds() if began else 0.0
