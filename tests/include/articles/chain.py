"""The steps of a run one after the other, on tables in memory; and the small archive that they are explained with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from include.articles.events.records import transform_raw_data
from include.articles.interactions.dwell import build_interactions, fix_dtypes, time_activities
from include.articles.interactions.filters import filter_activities, filter_articles, filter_emailnewsletter
from include.articles.interactions.identity import add_external_ids, join_articles
from include.articles.interactions.readings import code_readings, find_readings
from include.articles.models.matrix import add_articles, aggregate_times, scale_matrix
from include.articles.models.popularity import calculate_defaults, rank_defaults
from include.articles.models.ranking import rank_recommendations
from include.articles.models.sequence import Readings
from include.articles.models.training import MODELS, OF_READINGS
from include.articles.models.weights import get_weights
from include.articles.settings import ArticleSettings
from include.articles.sites.adapters import adapter_of
from include.articles.sites.configuration import Site
from tests.include.articles.archive import record

RUN_AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
SITE = Site(name="washington-city-paper", domain="washingtoncitypaper.com", kind="washington_city_paper")
Row = tuple[str | None, str | None, datetime]
"""Reader, path, time."""

A, B, C, D = "/article/101/alpha/", "/article/102/bravo/", "/article/103/charlie/", "/article/104/delta/"
ALIAS = "/v/s/washingtoncitypaper.com/article/101/alpha/"
NEWSLETTER = "/article/emailnewsletter/x/"


def on(day: str, *visits: tuple[str, str | None, Sequence[str]]) -> list[Row]:
    """Build rows of a day in March 2026: reader, path, times."""
    return [
        (client, path, datetime.fromisoformat(f"2026-03-{day}T{time}Z"))
        for client, path, times in visits
        for time in times
    ]


EXAMPLE: list[Row] = [
    *on("09", ("u1", A, ["08:00:00", "08:01:00", "08:02:00"]), ("u1", B, ["08:02:10", "08:02:40"])),
    *on("09", ("u1", A, ["08:10:00"]), ("u1", B, ["08:14:00"])),
    *on("10", ("u2", A, ["09:00:00", "09:10:00"]), ("u2", B, ["09:10:00", "09:12:00"])),
    *on("10", ("u2", ALIAS, ["09:20:00", "09:21:00"])),
    *on("10", ("u3", B, ["10:00:00", "10:00:45"]), ("u3", C, ["10:01:00", "10:01:30"])),
    *on("08", ("u4", A, ["23:59:30"])),
    *on("09", ("u4", A, ["00:00:30"]), ("u4", C, ["00:01:00", "00:01:00", "00:03:00"])),
    *on("10", ("u5", A, ["11:00:00", "11:05:00"]), ("u5", "/", ["11:06:00", "11:07:00"])),
    *on("10", ("u6", D, ["11:00:00", "11:01:00"]), ("u6", A, ["11:02:00", "11:02:20"])),
    *on("10", ("u7", B, ["07:00:00", "07:00:20"]), ("u7", C, ["07:01:00", "07:01:30"])),
    *on("10", ("u8", NEWSLETTER, ["07:00:00", "07:00:20"]), ("u8", None, ["07:10:00"])),
]
"""Eight readers and four articles, with a case for each filter."""


def published(days_ago: dict[str, float], run_at: datetime = RUN_AT) -> pd.DataFrame:
    """Build the table of articles from external id → age in days."""
    times = [run_at - timedelta(days=days) for days in days_ago.values()]
    ids = range(1, len(days_ago) + 1)
    return pd.DataFrame({"external_id": list(days_ago), "article_id": ids, "published_at": pd.to_datetime(times)})


ARTICLES = published({"101": 5, "102": 10, "103": 0.5, "104": 3})


def events(rows: Iterable[Row]) -> pd.DataFrame:
    """Build the table of events."""
    stamps = [(client, path, f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z") for client, path, time in rows]
    return transform_raw_data([record(*stamp) for stamp in stamps])


@dataclass(frozen=True)
class Outcome:
    """Results of a run."""

    interactions: pd.DataFrame
    dwell: pd.DataFrame
    """As `calculate_defaults` gives it."""
    defaults: pd.DataFrame
    lists: pd.DataFrame


def interact(found: pd.DataFrame, articles: pd.DataFrame, settings: ArticleSettings, site: Site) -> pd.DataFrame:
    """Go from events to interactions."""
    return measure(clean(found, articles, settings, site), settings)


def clean(found: pd.DataFrame, articles: pd.DataFrame, settings: ArticleSettings, site: Site) -> pd.DataFrame:
    """Go from events to those of known articles with several readers."""
    core = settings.min_readers_per_article, settings.min_articles_per_reader
    found = filter_articles(add_external_ids(filter_emailnewsletter(found), adapter_of(site)), *core)
    return filter_articles(join_articles(found, articles), *core)


def measure(found: pd.DataFrame, settings: ArticleSettings) -> pd.DataFrame:
    """Go from these events to interactions."""
    core = settings.min_readers_per_article, settings.min_articles_per_reader
    found = time_activities(fix_dtypes(found))
    found = filter_articles(filter_activities(found, settings.max_gap_seconds, settings.min_reader_seconds), *core)
    return build_interactions(found)


def follow(
    found: pd.DataFrame, articles: pd.DataFrame = ARTICLES, run_at: datetime = RUN_AT, site: Site = SITE, **given: Any
) -> Outcome:
    """Run all steps with the settings *given*."""
    settings = ArticleSettings.load(**({"factors": 4} | given))
    cleaned = clean(found, articles, settings, site)
    interactions = measure(cleaned, settings)
    times = articles.set_index("external_id")["published_at"]
    dwell = calculate_defaults(interactions, settings.defaults_window_interactions, settings.defaults_confidence)
    weights = get_weights(times, run_at, settings.defaults_half_life_days)
    defaults = rank_defaults(dwell, weights, settings.max_recs)
    _, ids, matrix = aggregate_times(interactions, run_at.date(), settings.dwell_half_life_days)
    opened = None
    if settings.model in OF_READINGS and len(ids):
        readings = find_readings(cleaned)
        ids, matrix = add_articles(ids, matrix, readings["external_id"].astype(str).unique())
        opened = Readings(*code_readings(readings, ids), round(run_at.timestamp() * 1e6))
    scaled = scale_matrix(matrix)
    with threadpool_limits(1, "openmp"):  # for so little, threads cost more than they save
        vectors = MODELS[settings.model](scaled, settings, opened) if len(ids) else scaled.T.tocsr()
    weights = get_weights(times, run_at, settings.recs_half_life_days).reindex(ids)
    lists = rank_recommendations(vectors, ids.tolist(), weights.to_numpy(), settings.max_recs)
    return Outcome(interactions, dwell, defaults, lists)
