"""The steps of a run, from events to served lists.

Each step reads the files of the steps before it and writes its own, whole. Any step can be repeated: it replaces what
it wrote. The served models change in one transaction each.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

import pandas as pd
from scipy import sparse
from sqlalchemy import Engine

from include.articles import plan as plans
from include.articles import report, retention
from include.articles.database import models, schema
from include.articles.database.tables import DEFAULT_SOURCE
from include.articles.events import archive
from include.articles.events.archive import events_url
from include.articles.events.hosts import Hosts
from include.articles.interactions import dwell, filters, identity, readings
from include.articles.interactions.columns import without_unused
from include.articles.layout import RunFiles
from include.articles.models import matrix, popularity, ranking
from include.articles.models.sequence import Readings
from include.articles.models.training import MODELS, OF_READINGS
from include.articles.models.vectors import Scores, Vectors
from include.articles.models.weights import get_weights
from include.articles.plan import NoPlanError, Plan
from include.articles.publishing import ARTICLE, POPULARITY, publish
from include.articles.report import STEPS, Counts
from include.articles.scraping import Fetch, scrape
from include.articles.settings import DAY_SECONDS, ArticleSettings
from include.articles.sites.adapters import adapter_of
from include.articles.sites.configuration import Site
from include.core.errors import BadDataError, NothingToDoError
from include.core.frames import read_frame, read_matrix, write_frame, write_matrix
from include.core.storage import StoragePath, read_json, write_json, write_whole

log = logging.getLogger(__name__)


class NothingLeftError(BadDataError):
    """No reader or article is left after the filters."""


class StaleEventsError(BadDataError):
    """The newest event is older than the settings allow."""


class Measure(Protocol):
    """Sends a metric by the last part of its name, such as `downloaded_rows`."""

    def __call__(self, name: str, value: float, **tags: str) -> None: ...


@dataclass(frozen=True)
class Dependencies:
    """Everything that a run uses outside itself."""

    files: RunFiles
    """Files of the run in storage; those of the site's other runs are beside them."""
    extracts: StoragePath
    """Folder of the site's extracts."""
    requested_plan: Callable[[], Plan]
    """Returns what the run was started for; called by the first step only."""
    open_database: Callable[[], AbstractContextManager[Engine]]
    open_url: Callable[[str], StoragePath]
    """Opens a folder outside the platform's storage, by its URL."""
    open_site: Callable[[Site, str], Fetch]
    """Returns what sends requests to a site, or to a copy at a base URL, within the site's limits."""
    measure: Measure
    record: Callable[[Mapping[str, Any], Mapping[str, bytes]], object]
    """Keeps the report and the figures of the run where people look."""
    note: Callable[[str], object]
    """Shows a text beside the run."""
    elapsed: Callable[[], float]
    """Returns the seconds since the run began."""
    clock: Callable[[], datetime]
    """Returns the present time, with zone; for times of rows, never for what is computed."""


class Pipeline:
    """
    One run of a site.

    Args:
        site: the site.
        dependencies: what the run reaches outside itself.
    """

    def __init__(self, site: Site, dependencies: Dependencies) -> None:
        self.site = site
        self.adapter = adapter_of(site)
        self.hosts = Hosts(site.all_hosts, site.events.format)
        self.dependencies = dependencies
        self.files = dependencies.files

    def create_model(self) -> Counts:
        """Pin the plan of the run and create its models as `pending` if it trains; a repeated run starts over."""
        plan, clock = self.dependencies.requested_plan(), self.dependencies.clock
        plans.pin(self.files, plan, self.site)
        with self.dependencies.open_database() as engine:
            schema.upgrade(engine)
            if not plan.train:
                return {}
            types = [POPULARITY, ARTICLE]
            return models.open_models(engine, plan.site, plan.run_id, types, plan.run_at, clock())

    def fetch_data(self) -> Counts:
        """Write the missing extracts; pin those of the run."""
        plan, began = self.plan, time.monotonic()
        progress = report.progress_logger("objects read")
        manifest = archive.collect(
            self._events(), self.dependencies.extracts, plan.run_at, plan.settings, progress, self.hosts
        )
        write_json(self.files.manifest, manifest)
        self.dependencies.measure("downloaded_rows", manifest["rows"])
        counts = {name: value for name, value in manifest.items() if name != "extracts"}
        return self._done("fetch_data", began, counts, "download_time")

    def filter_events(self) -> Counts:
        """Keep events of articles with several readers and of readers of several articles, before any request."""
        plan, began = self.plan, time.monotonic()
        manifest = read_json(self.files.manifest)
        if not isinstance(manifest, dict):
            raise NoPlanError(f"{self.files.manifest} does not exist: clear the run from fetch_data")
        found = archive.load(
            self._events(), self.dependencies.extracts, manifest, plan.run_at, plan.settings, self.hosts
        )
        counts: Counts = {"in_window": len(found), "lag_hours": report.lag_hours(found, plan.run_at)}
        self._check_lag(counts["lag_hours"])
        found = filters.filter_emailnewsletter(found)
        counts["without_newsletter"] = len(found)
        found = identity.add_external_ids(found, self.adapter)
        counts["before"] = report.size(found)
        found = self._core(found)
        counts["after"] = report.size(found)
        write_frame(self.files.paths, identity.distinct_paths(found))
        write_frame(self.files.events, without_unused(found, "client_id", "landing_page_path", "external_id"))
        return self._done("filter_events", began, counts)

    def scrape_metadata(self) -> Counts:
        """Request titles and publication times from the site, where they are unknown or may have changed."""
        plan, began = self.plan, time.monotonic()
        fetch = self.dependencies.open_site(self.site, plan.settings.site_base_url)
        paths = read_frame(self.files.paths)
        with self.dependencies.open_database() as engine:
            articles, counts = scrape(
                engine, plan.site, self.adapter, paths, fetch, plan.run_at, plan.settings, self.dependencies.clock
            )
        write_frame(self.files.articles, articles)
        self.dependencies.measure("article_scraping_total", counts["creates"] + counts["updates"])
        self.dependencies.measure("article_scraping_errors", sum(counts["errors"].values()))
        return self._done("scrape_metadata", began, counts, "article_scraping_time")

    def build_interactions(self) -> Counts:
        """
        Measure how long each reader read each article on each date.

        Raises:
            NothingToDoError: the run is not meant to train.
            NothingLeftError: the filters leave nothing.
        """
        plan, began = self.plan, time.monotonic()
        if not plan.train:
            raise NothingToDoError("the run only fills extracts and articles; with the param train it trains, too")
        settings, counts = plan.settings, Counts()
        articles = read_frame(self.files.articles)
        found = identity.join_articles(read_frame(self.files.events), articles)
        counts["with_metadata"] = report.size(found)
        found = self._core(found)
        write_frame(self.files.readings, readings.find_readings(found))
        found = dwell.time_activities(dwell.fix_dtypes(found))
        counts["timed"] = len(found)
        counts["gaps"] = report.histogram(found["duration"], report.GAP_SECONDS)
        if settings.save_figures:
            from include.articles import figures  # importing matplotlib takes a second

            write_whole(self.files.gaps, figures.gaps(found["duration"].to_numpy(), settings.max_gap_seconds))
        found = filters.filter_activities(found, settings.max_gap_seconds, settings.min_reader_seconds)
        counts["read"] = report.size(found)
        found = self._core(found)
        counts["after"] = report.size(found)
        if found.empty:
            by_step = (read_json(self.files.counts("filter_events")) or {}) | counts
            raise NothingLeftError(
                f"the filters leave no reading of site {plan.site}; rows by step: {report.flat(by_step)}"
            )
        interactions = dwell.build_interactions(found)
        counts["interactions"] = len(interactions)
        write_frame(self.files.interactions, interactions)
        return self._done("build_interactions", began, counts)

    def save_defaults(self) -> Counts:
        """Compute the defaults of the site and serve them."""
        plan, began = self.plan, time.monotonic()
        settings = plan.settings
        found = popularity.calculate_defaults(
            read_frame(self.files.interactions), settings.defaults_window_interactions, settings.defaults_confidence
        )
        weights = self._weights(settings.defaults_half_life_days)
        lists = popularity.rank_defaults(found, weights, settings.max_recs).assign(source=DEFAULT_SOURCE)
        write_frame(self.files.defaults, found)
        counts = self._publish(POPULARITY, lists)
        return self._done("save_defaults", began, {**counts, "top": lists["target"].tolist()})

    def train_model(self) -> Counts:
        """Compute the vectors of the articles, whose cosines are their similarities."""
        plan, began = self.plan, time.monotonic()
        readers, articles, seconds = matrix.aggregate_times(
            read_frame(self.files.interactions), plan.run_at.date(), plan.settings.dwell_half_life_days
        )
        opened = None
        if plan.settings.model in OF_READINGS:
            found = read_frame(self.files.readings)
            articles, seconds = matrix.add_articles(articles, seconds, found["external_id"].astype(str).unique())
            coded = readings.code_readings(found, articles)
            opened = Readings(*coded, round(plan.run_at.timestamp() * 1e6))
        vectors = MODELS[plan.settings.model](matrix.scale_matrix(seconds), plan.settings, opened)
        write_matrix(self.files.matrix, seconds)
        write_frame(self.files.readers, pd.DataFrame({"client_id": readers.astype(str)}))
        write_frame(self.files.sources, pd.DataFrame({"external_id": articles.astype(str)}))
        if isinstance(vectors, Scores):
            write_matrix(self.files.source_vectors, vectors.sources)
            vectors = vectors.targets
        write_matrix(self.files.vectors, vectors)
        counts = {
            "readers": len(readers),
            "articles": len(articles),
            "values": seconds.nnz,
            "density": round(seconds.nnz / (len(readers) * len(articles)), 8),
        }
        return self._done("train_model", began, counts, "model_training_time")

    def save_predictions(self) -> Counts:
        """Rank the related articles of each article and serve them."""
        plan, began = self.plan, time.monotonic()
        sources = read_frame(self.files.sources)["external_id"]
        weights = self._weights(plan.settings.recs_half_life_days).reindex(sources)
        lists = ranking.rank_recommendations(
            self._vectors(),
            sources.tolist(),
            weights.to_numpy(),
            plan.settings.max_recs,
            report.progress_logger("articles have their list"),
        )
        write_frame(self.files.weights, weights.rename_axis("external_id").reset_index(name="weight"))
        counts = self._publish(ARTICLE, lists, plan.settings.max_shrink)
        self.dependencies.measure("rec_creation_total", len(lists))
        return self._done("save_predictions", began, counts, "rec_creation_time")

    def clean_up(self) -> Counts:
        """Delete models and files of earlier runs that are no longer needed."""
        plan, now = self.plan, self.dependencies.clock()
        with self.dependencies.open_database() as engine:
            counts: Counts = dict(models.clean_up(engine, plan.site, plan.settings.model_retention, now))
        before = now.timestamp() - DAY_SECONDS
        counts["folders"] = retention.remove_old_runs(self.files.folder.parent, retention.RUNS_KEPT, before)
        log.info("clean_up: %s", counts)
        return counts

    def report(self) -> None:
        """Write the report of the run; keep it with its figures where people look, and its tables as artefacts."""
        from include.articles import figures

        steps = {name: found for name in STEPS if (found := read_json(self.files.counts(name))) is not None}
        found = report.build(self.plan, steps)
        write_json(self.files.report, found)
        self.dependencies.record(found, figures.of_run(self.files, self.plan, steps))
        try:
            self._keep_artefacts()
        except Exception:
            log.warning("the artefacts were not kept", exc_info=True)
        self.dependencies.note(report.summary(found))
        self.dependencies.measure("job_time", self.dependencies.elapsed(), status="success")

    def fail(self, error: str) -> None:
        """Mark the models of the run that are not served yet as failed."""
        plan = self.plan
        with self.dependencies.open_database() as engine:
            models.fail(engine, plan.site, plan.run_id, error, self.dependencies.clock())

    @cached_property
    def plan(self) -> Plan:
        """The plan that the run's first task has pinned."""
        return plans.load(self.files)

    @contextmanager
    def keeping_errors(self) -> Iterator[None]:
        """Store the text of an error with the run's models, and raise it again."""
        try:
            yield
        except NothingToDoError:
            raise
        except Exception as error:
            try:
                with self.dependencies.open_database() as engine:
                    models.note_error(engine, self.site.name, self.plan.run_id, f"{type(error).__name__}: {error}")
            except Exception:
                log.warning("the error could not be stored with the run's models", exc_info=True)
            raise

    def _check_lag(self, hours: float) -> None:
        self.dependencies.measure("data_lag_hours", hours)
        allowed = self.plan.settings.max_lag_hours
        if allowed is not None and hours > allowed:
            raise StaleEventsError(
                f"{self.plan.site}: the newest event is {hours} h older than the run ({self.plan.run_at}); at most "
                f"{allowed:g} h are allowed ({ArticleSettings.variable('max_lag_hours')})"
            )

    def _events(self) -> StoragePath:
        return self.dependencies.open_url(events_url(self.plan.settings.ga_data_bucket))

    def _core(self, found: pd.DataFrame) -> pd.DataFrame:
        settings = self.plan.settings
        return filters.filter_articles(found, settings.min_readers_per_article, settings.min_articles_per_reader)

    def _weights(self, half_life_days: float) -> pd.Series:
        articles = read_frame(self.files.articles, ["external_id", "published_at"])
        published = articles.set_index(articles["external_id"].astype(str))["published_at"]
        return get_weights(published, self.plan.run_at, half_life_days)

    def _vectors(self) -> Vectors | Scores:
        vectors = read_matrix(self.files.vectors)
        if self.plan.settings.model not in OF_READINGS:
            return vectors
        return Scores(sparse.csr_matrix(read_matrix(self.files.source_vectors)), sparse.csr_matrix(vectors))

    def _publish(self, kind: str, lists: pd.DataFrame, max_shrink: float | None = None) -> Counts:
        with self.dependencies.open_database() as engine:
            return publish(engine, self.plan, self.files, kind, lists, self.dependencies.clock, max_shrink)

    def _keep_artefacts(self) -> None:
        if url := self.plan.settings.artifacts_url:
            report.keep_artefacts(self.files, self.dependencies.open_url(url) / self.site.name)

    def _done(self, step: str, began: float, counts: Counts, metric: str | None = None) -> Counts:
        counts["seconds"] = round(time.monotonic() - began, 3)
        if metric:
            self.dependencies.measure(metric, counts["seconds"])
        write_json(self.files.counts(step), counts)
        log.info("%s: %s", step, counts)
        return counts
