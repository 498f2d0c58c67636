"""Runs of the articles workflow in Airflow: from the context of a task to the pipeline of a site."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from typing import Any

from include.articles import layout, parameters, report
from include.articles import plan as plans
from include.articles.database import models, schema
from include.articles.errors import classify_errors
from include.articles.pipeline import Dependencies, Pipeline
from include.articles.plan import Plan, parse_run_at
from include.articles.publishing import ARTICLE, POPULARITY
from include.articles.settings import PARAMETERS, ArticleSettings
from include.articles.sites.configuration import Site, find_site, load_sites
from include.core.errors import BadDataError
from quartet.hooks import metrics
from quartet.hooks.airflow_api import AirflowApiHook
from quartet.hooks.database import DatabaseHook
from quartet.hooks.registry import RegistryHook
from quartet.hooks.site import SiteHook
from quartet.hooks.storage import StorageHook
from quartet.workflows.common import json_variable, skipping

log = logging.getLogger(__name__)

CONNECTION = "quartet_articles"


@contextmanager
def articles_run(context: Mapping[str, Any], site: str, begins: bool = False) -> Iterator[Pipeline]:
    """
    Yield the steps of a site's run; an error is stored with the run's models, a step without work skips its task.

    Args:
        context: the context of the Airflow task.
        site: name of the site.
        begins: whether this is the run's first task, which takes the site as it is configured now; the others take the
            one that the first has pinned.
    """
    with skipping(context), classify_errors():
        pipeline = _pipeline(context, site, begins)
        with pipeline.keeping_errors(), classify_errors():
            yield pipeline


def mark_failed(context: Mapping[str, Any], site: str) -> None:
    """Mark the models of a failed run as failed; a failure callback, run by the DAG processor."""
    reason = str(context.get("exception") or context.get("reason") or "a task of the run failed")
    try:
        _pipeline(context, site).fail(reason)
    except BadDataError as error:
        log.warning("The run has no models to mark as failed: %s", error)
    measured = {"job_time": _elapsed(context)}
    metrics.send("article_recs", measured, {"site": site, "status": "failure"}, in_callback=True)


def measure_state() -> None:
    """Send the age of each served model, of the sites that have a schedule."""
    now = datetime.now(UTC)
    sites = [site.name for site in load_sites(ArticleSettings.load()).of_dags.values() if site.enabled]
    with classify_errors(), DatabaseHook(CONNECTION).engine() as engine:
        schema.upgrade(engine)
        for site, kind in product(sites, (POPULARITY, ARTICLE)):
            if found := models.current(engine, site, kind):
                age = (now - found.data_as_of).total_seconds() / 3600
                metrics.send("article_recs", {"model_age_hours": age}, {"site": site, "type": kind})


def _pipeline(context: Mapping[str, Any], site: str, begins: bool = False) -> Pipeline:
    storage = StorageHook()
    root = storage.path("articles")
    files = layout.run_files(root, site, _run_at(context), context["dag_run"].run_id)
    dependencies = Dependencies(
        files=files,
        extracts=layout.extracts_folder(root, site),
        requested_plan=lambda: _plan(context, site),
        open_database=DatabaseHook(CONNECTION).engine,
        open_url=storage.path_at,
        open_site=lambda each, base_url: SiteHook(each, base_url).fetch,
        measure=lambda name, value, **tags: metrics.send("article_recs", {name: value}, {"site": site, **tags}),
        record=_record,
        note=lambda text: AirflowApiHook().note(context, text),
        elapsed=lambda: _elapsed(context),
        clock=lambda: datetime.now(UTC),
    )
    pinned = None if begins else plans.load_site(files)
    return Pipeline(pinned or _configured(site), dependencies)


def _configured(site: str) -> Site:
    return find_site(load_sites(ArticleSettings.load()), site)


def _plan(context: Mapping[str, Any], site: str) -> Plan:
    """Build the plan of a run from its params, the Airflow Variable, the environment and the defaults."""
    run = context["dag_run"]
    parameters.of_run(getattr(run, "conf", None))
    given = _given(context)
    if unknown := given.keys() - {*parameters.OF_RUN, *PARAMETERS}:
        parameters.of_run(dict.fromkeys(unknown))
    own = {name: given.get(name) for name in PARAMETERS}
    settings = parameters.resolve(own, parameters.of_variable(json_variable(parameters.VARIABLE)))
    train = given.get("train")
    if train is None:
        train = run.run_type != "backfill"
    run_at = _run_at(context)
    plans.check_run_at(run_at, datetime.now(UTC))
    return Plan(site, run.run_id, run_at, train, settings)


def _given(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the params of a run by their lower-case names, under which the DAG has their defaults."""
    params = context["params"]
    return {name.lower(): params[name] for name in sorted(params, key=lambda name: not name.islower())}


def _record(found: Mapping[str, Any], figures: Mapping[str, bytes]) -> None:
    RegistryHook().record(
        f"articles {found['site']}",
        found["run_id"],
        params=found["parameters"],
        tags={"site": found["site"], "run_at": found["run_at"]},
        metrics=report.flat(found["steps"]),
        files={**figures, layout.REPORT: json.dumps(found, indent=1).encode()},
    )


def _run_at(context: Mapping[str, Any]) -> datetime:
    if given := _given(context).get("run_at"):
        return parse_run_at(given)
    run = context["dag_run"]
    return (run.logical_date or run.run_after).astimezone(UTC)


def _elapsed(context: Mapping[str, Any]) -> float:
    """Return the seconds since the run began."""
    began = context["dag_run"].start_date
    return (datetime.now(UTC) - began).total_seconds() if began else 0.0
