"""The steps of a run, from events to served lists. Each reads tables of the steps before it, writes its own, whole.

Each may be run again at any time: it replaces what it wrote. The models that are served change in one transaction.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from include.articles import dwell, events, filters, identity, matrix, popularity, ranking, report
from include.articles import run as runs
from include.articles.database import models, recommendations, schema
from include.articles.run import ARTICLE, POPULARITY, Plan
from include.articles.scraping import Fetch, scrape
from include.articles.settings import DAY_SECONDS
from include.articles.sites.adapters import adapter_of
from include.articles.sites.configuration import Site
from include.articles.training import MODELS
from include.articles.weights import get_weights
from include.core.errors import BadDataError
from include.core.frames import read_frame, read_matrix, write_frame, write_matrix
from include.core.storage import StoragePath, read_bytes, read_json, write_json, write_whole

log = logging.getLogger(__name__)

DEFAULT_SOURCE = "default"
ARTEFACTS = (
    runs.REPORT,
    "articles.parquet",
    "interactions.parquet",
    "matrix.npz",
    "readers.parquet",
    "sources.parquet",
    "article_vectors.npz",
    "weights.parquet",
    "popularity_recommendations.parquet",
    "article_recommendations.parquet",
)
PROGRESS_SECONDS = 5
ARTEFACT_RUNS, RUNS_KEPT = 14, 3
"""Folders of runs that are kept with the artefacts, and with the tables of runs (there at least for a day)."""
STEPS = (
    "fetch_data",
    "filter_events",
    "scrape_metadata",
    "build_interactions",
    "save_defaults",
    "train_model",
    "save_predictions",
)
Counts = dict[str, Any]


class NothingLeftError(BadDataError):
    """No reader or article is left after the filters."""


class NoTrainingError(Exception):
    """The run is not meant to train."""


@dataclass(frozen=True)
class Surroundings:
    """
    What a run reaches outside of itself.

    Args:
        folder: the run's folder in storage; those of the site's other runs are beside it.
        extracts: the folder of the site's extracts.
        open_database: gives an engine of the database while it is open.
        open_events: gives the root of the event archive at a URL.
        open_site: gives what fetches pages of a site, within the site's limits.
        measure: is told figures by name as they come, such as `downloaded_rows`.
        clock: gives the present, with zone; for times of rows, never for what is computed.
    """

    folder: StoragePath
    extracts: StoragePath
    open_database: Callable[[], AbstractContextManager[Engine]]
    open_events: Callable[[str], StoragePath]
    open_site: Callable[[Site, str], Fetch]
    measure: Callable[[str, float], None]
    clock: Callable[[], datetime]


class Pipeline:
    """
    One run of a site.

    Args:
        site: the newsroom.
        around: what is outside.
    """

    def __init__(self, site: Site, around: Surroundings) -> None:
        self.site = site
        self.adapter = adapter_of(site)
        self.around = around
        self.folder = around.folder

    def create_model(self, plan: Plan) -> Counts:
        """Pin the run; make its models as `pending` if it trains. A run done before starts anew."""
        runs.pin(self.folder, plan)
        with self.around.open_database() as engine:
            schema.upgrade(engine)
            if not plan.train:
                return {}
            types = [POPULARITY, ARTICLE]
            return models.open_models(engine, plan.site, plan.run_id, types, plan.run_at, self.around.clock())

    def fetch_data(self) -> Counts:
        """Make the extracts that are missing; pin which belong to the run."""
        plan, began = self.plan, time.monotonic()
        root = self.around.open_events(plan.settings.ga_data_bucket)
        manifest = events.collect(root, self.around.extracts, plan.run_at, plan.settings, _told("objects read"))
        write_json(self.folder / "events.json", manifest)
        self.around.measure("downloaded_rows", manifest["rows"])
        counts = {name: value for name, value in manifest.items() if name != "extracts"}
        return self._done("fetch_data", began, counts, "download_time")

    def filter_events(self) -> Counts:
        """Keep the events of articles and of readers who matter, before any page is asked for."""
        plan, began = self.plan, time.monotonic()
        root = self.around.open_events(plan.settings.ga_data_bucket)
        manifest = read_json(self.folder / "events.json")
        found = events.load(root, self.around.extracts, manifest, plan.run_at, plan.settings)
        counts: Counts = {"in_window": len(found), "lag_hours": _lag_hours(found, plan.run_at)}
        found = filters.filter_emailnewsletter(found)
        counts["without_newsletter"] = len(found)
        found = identity.add_external_ids(found, self.adapter)
        counts["before"] = report.size(found)
        found = self._core(found)
        counts["after"] = report.size(found)
        self.around.measure("data_lag_hours", counts["lag_hours"])
        write_frame(self.folder / "paths.parquet", _distinct_paths(found))
        write_frame(self.folder / "events.parquet", _without_unused(found))
        return self._done("filter_events", began, counts)

    def scrape_metadata(self) -> Counts:
        """Learn titles and publication times from the site, where they are not known or may have changed."""
        plan, began = self.plan, time.monotonic()
        fetch = self.around.open_site(self.site, plan.settings.site_base_url)
        paths = read_frame(self.folder / "paths.parquet")
        with self.around.open_database() as engine:
            articles, counts = scrape(
                engine, plan.site, self.adapter, paths, fetch, plan.run_at, plan.settings, self.around.clock
            )
        write_frame(self.folder / "articles.parquet", articles)
        self.around.measure("article_scraping_total", counts["creates"] + counts["updates"])
        self.around.measure("article_scraping_errors", sum(counts["errors"].values()))
        return self._done("scrape_metadata", began, counts, "article_scraping_time")

    def build_interactions(self) -> Counts:
        """Measure who read what for how long; raises `NoTrainingError` if the run is not meant to train."""
        plan, began = self.plan, time.monotonic()
        if not plan.train:
            raise NoTrainingError("the run fills extracts and articles only; with the param train it trains, too")
        settings, counts = plan.settings, Counts()
        articles = read_frame(self.folder / "articles.parquet")
        found = identity.join_articles(read_frame(self.folder / "events.parquet"), articles)
        counts["with_metadata"] = report.size(found)
        found = dwell.time_activities(dwell.fix_dtypes(self._core(found)))
        counts["timed"] = len(found)
        if settings.save_figures:
            from include.articles import figures  # matplotlib takes a second

            gaps = figures.gaps(found["duration"].to_numpy(), settings.max_gap_seconds)
            write_whole(self.folder / "gaps.png", gaps)
        found = filters.filter_activities(found, settings.max_gap_seconds, settings.min_reader_seconds)
        counts["read"] = report.size(found)
        found = self._core(found)
        counts["after"] = report.size(found)
        if found.empty:
            raise NothingLeftError(
                f"no reading is left of site {plan.site} after the filters; rows step by step: {report.flat(counts)}"
            )
        interactions = dwell.build_interactions(found)
        counts["interactions"] = len(interactions)
        write_frame(self.folder / "interactions.parquet", interactions)
        return self._done("build_interactions", began, counts)

    def save_defaults(self) -> Counts:
        """Compute the defaults of the site and serve them."""
        plan, began = self.plan, time.monotonic()
        settings = plan.settings
        found = popularity.calculate_defaults(
            read_frame(self.folder / "interactions.parquet"),
            settings.defaults_window_interactions,
            settings.defaults_confidence,
        )
        weights = self._weights(settings.defaults_half_life_days)
        lists = popularity.rank_defaults(found, weights, settings.max_recs).assign(source=DEFAULT_SOURCE)
        write_frame(self.folder / "defaults.parquet", found)
        counts = self._publish(POPULARITY, lists)
        return self._done("save_defaults", began, {**counts, "top": lists["target"].tolist()})

    def train_model(self) -> Counts:
        """Learn which articles are alike."""
        plan, began = self.plan, time.monotonic()
        readers, articles, dwelt = matrix.aggregate_times(
            read_frame(self.folder / "interactions.parquet"),
            plan.run_at.date(),
            plan.settings.dwell_half_life_days,
        )
        vectors = MODELS[plan.settings.model](matrix.scale_matrix(dwelt), plan.settings)
        write_matrix(self.folder / "matrix.npz", dwelt)
        write_frame(self.folder / "readers.parquet", pd.DataFrame({"client_id": readers.astype(str)}))
        write_frame(self.folder / "sources.parquet", pd.DataFrame({"external_id": articles.astype(str)}))
        write_matrix(self.folder / "article_vectors.npz", vectors)
        counts = {
            "readers": len(readers),
            "articles": len(articles),
            "values": dwelt.nnz,
            "density": round(dwelt.nnz / (len(readers) * len(articles)), 8),
        }
        return self._done("train_model", began, counts, "model_training_time")

    def save_predictions(self) -> Counts:
        """List the related articles of each article and serve them."""
        plan, began = self.plan, time.monotonic()
        sources = read_frame(self.folder / "sources.parquet")["external_id"]
        weights = self._weights(plan.settings.recs_half_life_days).reindex(sources)
        lists = ranking.rank_recommendations(
            read_matrix(self.folder / "article_vectors.npz"),
            sources.tolist(),
            weights.to_numpy(),
            plan.settings.max_recs,
            _told("articles have their list"),
        )
        write_frame(self.folder / "weights.parquet", weights.rename_axis("external_id").reset_index(name="weight"))
        counts = self._publish(ARTICLE, lists)
        self.around.measure("rec_creation_total", len(lists))
        return self._done("save_predictions", began, counts, "rec_creation_time")

    def clean_up(self) -> Counts:
        """Delete models and tables of runs that nobody needs any more."""
        plan, now = self.plan, self.around.clock()
        with self.around.open_database() as engine:
            counts: Counts = dict(models.clean_up(engine, plan.site, plan.settings.model_retention, now))
        counts["folders"] = runs.remove_old(self.folder.parent, RUNS_KEPT, now.timestamp() - DAY_SECONDS)
        log.info("clean_up: %s", counts)
        return counts

    def report(self) -> tuple[Counts, dict[str, bytes]]:
        """Put together what the run did: its report, which is kept in its folder, and its figures, name to content."""
        from include.articles import figures

        plan = self.plan
        steps = {name: found for name in STEPS if (found := read_json(self.folder / f"{name}.json")) is not None}
        report_ = {**plan.as_json(), "versions": report.versions(), "steps": steps}
        images = {}
        if "save_predictions" in steps:
            lists = read_frame(self.folder / f"{ARTICLE}_recommendations.parquet")
            ages = report.ages_days(read_frame(self.folder / "articles.parquet"), plan.run_at)
            images["scores.png"] = figures.scores(lists["score"].to_numpy())
            images["ages.png"] = figures.ages(ages.reindex(lists["target"]).to_numpy())
        if plan.settings.save_figures and plan.train:
            images["gaps.png"] = read_bytes(self.folder / "gaps.png")
        write_json(self.folder / runs.REPORT, report_)
        return report_, images

    def keep_artefacts(self, folder: StoragePath) -> None:
        """Copy the run's tables and report below *folder*; those of the newest 14 runs are kept."""
        target = folder / self.folder.name
        for name in ARTEFACTS:
            with suppress(FileNotFoundError):
                write_whole(target / name, read_bytes(self.folder / name))
        runs.remove_old(folder, ARTEFACT_RUNS, math.inf)

    def fail(self, error: str) -> None:
        """Mark the models of the run that are not served yet as failed."""
        plan = self.plan
        with self.around.open_database() as engine:
            models.fail(engine, plan.site, plan.run_id, error, self.around.clock())

    @cached_property
    def plan(self) -> Plan:
        """What the run's first task has pinned."""
        return runs.load(self.folder)

    @contextmanager
    def noting_errors(self) -> Iterator[None]:
        """Keep the text of an error with the run's models; it is raised on."""
        try:
            yield
        except NoTrainingError:
            raise
        except Exception as error:
            try:
                with self.around.open_database() as engine:
                    models.note_error(engine, self.site.name, self.plan.run_id, f"{type(error).__name__}: {error}")
            except Exception:
                log.warning("the error could not be kept with the run's models", exc_info=True)
            raise

    def _core(self, found: pd.DataFrame) -> pd.DataFrame:
        settings = self.plan.settings
        return filters.filter_articles(found, settings.min_readers_per_article, settings.min_articles_per_reader)

    def _weights(self, half_life_days: float) -> pd.Series:
        articles = read_frame(self.folder / "articles.parquet", ["external_id", "published_at"])
        published = articles.set_index(articles["external_id"].astype(str))["published_at"]
        return get_weights(published, self.plan.run_at, half_life_days)

    def _publish(self, kind: str, lists: pd.DataFrame) -> Counts:
        """Write the rows of a model, then let it take the place of the current one."""
        plan, settings = self.plan, self.plan.settings
        articles = read_frame(self.folder / "articles.parquet")
        ages = report.ages_days(articles, plan.run_at)
        counts: Counts = report.describe_lists(lists, ages)
        ids = articles.set_index("external_id")["article_id"]
        write_frame(self.folder / f"{kind}_recommendations.parquet", lists)
        rows = lists.assign(article_id=ids.reindex(lists["target"]).to_numpy())
        with self.around.open_database() as engine:
            [model_id] = models.open_models(
                engine, plan.site, plan.run_id, [kind], plan.run_at, self.around.clock()
            ).values()
            counts["model_id"] = model_id
            before = models.current(engine, plan.site, kind)
            if before is not None and before.id != model_id:
                earlier = recommendations.read_lists(engine, before.id).rename(columns={"external_id": "target"})
                counts["overlap_with_previous"] = report.overlap(lists, earlier)
            if models.read(engine, model_id).status == "pending":
                recommendations.write(engine, model_id, rows, self.around.clock())
            guard = settings.max_shrink if kind == ARTICLE else None
            counts["status"] = models.promote(engine, model_id, self.around.clock(), guard).value
        log.info("model %d (%s) of %s is %s: %d rows", model_id, kind, plan.site, counts["status"], len(lists))
        return counts

    def _done(self, step: str, began: float, counts: Counts, metric: str | None = None) -> Counts:
        counts["seconds"] = round(time.monotonic() - began, 3)
        if metric:
            self.around.measure(metric, counts["seconds"])
        write_json(self.folder / f"{step}.json", counts)
        log.info("%s: %s", step, counts)
        return counts


def _told(what: str) -> Callable[..., None]:
    """Give what logs progress, every few seconds."""
    last = time.monotonic()

    def tell(done: int, total: int | None = None) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            log.info("%d%s %s", done, f" of {total}" if total else "", what)

    return tell


def _lag_hours(found: pd.DataFrame, run_at: datetime) -> float:
    newest = found["activity_time"].max()
    return round((pd.Timestamp(run_at) - newest).total_seconds() / 3600, 3)


def _distinct_paths(found: pd.DataFrame) -> pd.DataFrame:
    columns = ["external_id", "landing_page_path"]
    return (
        found[columns]
        .drop_duplicates()
        .astype(str)
        .sort_values(columns, ignore_index=True)
        .rename(columns={"landing_page_path": "path"})
    )


def _without_unused(found: pd.DataFrame) -> pd.DataFrame:
    """Forget readers and paths that have no event any more."""
    columns = ("client_id", "landing_page_path", "external_id")
    return found.assign(**{column: found[column].cat.remove_unused_categories() for column in columns})
