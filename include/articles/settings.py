"""Settings of the article recommendations: events, filters, models, retention, API."""

import re
from datetime import date, timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from include.core.settings import Settings

DAY_SECONDS = 86_400
CLOCK_SKEW = timedelta(minutes=5)
"""How far the clocks of two machines may be apart; an instant that is further ahead is in the future."""
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
"""Name of an S3 bucket; old ones may have capitals and underscores."""
_ANY_BUCKET = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""Name of a bucket in a URL; some stores have shorter ones."""


def events_root(location: str) -> str:
    """
    Return the URL of the root of the events, without a trailing slash.

    Args:
        location: `s3://bucket/prefix`, `file:///path`, or the name of an S3 bucket.

    Raises:
        ValueError: *location* is something else.
    """
    if BUCKET.fullmatch(location):
        return f"s3://{location}"
    in_bucket = re.fullmatch(r"s3://(?:[^/@]+@)?([^/]+)(?:/.*)?", location, re.DOTALL)
    if (in_bucket and _ANY_BUCKET.fullmatch(in_bucket[1])) or re.fullmatch(r"file:///.+", location, re.DOTALL):
        return location.rstrip("/")
    raise ValueError("s3://bucket/prefix, file:///path or a bucket was expected")


def _location(text: str) -> str:
    events_root(text)
    return text


def _address(text: str) -> str:
    if text and not (urlsplit(text).hostname and urlsplit(text).port != 0):
        raise ValueError("a URL with a host was expected")
    return text


class ArticleSettings(Settings):
    """
    Settings of computing and serving recommendations.

    The parameters of a run (`PARAMETERS`) can also be set per site, per run or in an Airflow Variable; see
    `include/articles/parameters.py`.
    """

    model_config = SettingsConfigDict(env_prefix="ARTICLE_RECS_")

    site_name: str = Field(
        default="washington-city-paper", description="site that the API uses if a request names none"
    )
    sites_file: str = Field(
        default="", description="YAML file with your own sites; if empty, `sites.yaml` below QUARTET_HOME"
    )
    site_base_url: Annotated[str, AfterValidator(_address)] = Field(
        default="",
        pattern=r"^$|^https?://[^/]+.*$",
        description="URL that replaces the address of every site, such as that of a copy; if empty, the site's own",
    )
    ga_data_bucket: Annotated[str, AfterValidator(_location)] = Field(
        default="lnl-snowplow-washington-city-paper",
        min_length=1,
        description="location of the events: `s3://bucket/prefix`, `file:///path`, or the name of an S3 bucket",
    )
    model: Literal["als", "blend", "cooccurrence", "next"] = Field(
        default="next",
        description="model of related articles: `next` (what readers open next, and what is popular now), `blend` "
        "(common readers and topics), `cooccurrence` (common readers) or `als` (matrix factorisation)",
    )
    days_of_data: int = Field(
        default=28, ge=1, le=3660, description="number of UTC dates whose events are read, including the run's"
    )
    max_recs: int = Field(default=20, ge=1, le=1000, description="maximum number of recommendations per article")
    max_gap_seconds: float = Field(
        default=600, gt=0, description="longest gap between two events that counts as reading, in seconds"
    )
    min_reader_seconds: float = Field(
        default=60, ge=0, description="minimum total reading time of a reader, in seconds; other readers are ignored"
    )
    min_articles_per_reader: int = Field(default=2, ge=1, description="minimum number of distinct articles of a reader")
    min_readers_per_article: int = Field(
        default=2, ge=1, description="minimum number of distinct readers of an article"
    )
    dwell_half_life_days: float = Field(
        default=59.631698, gt=0, description="half-life of reading time, in days; `inf`: no decay"
    )
    defaults_half_life_days: float = Field(
        default=10, gt=0, description="half-life of an article among the defaults, by its age in days"
    )
    recs_half_life_days: float = Field(
        default=30, gt=0, description="half-life of an article among related articles, by its age in days"
    )
    defaults_window_interactions: int = Field(
        default=5000, ge=1, description="number of latest interactions that the defaults are computed from"
    )
    defaults_confidence: float = Field(
        default=0.95, ge=0.5, lt=1, description="one-sided confidence level of the dwell of a default"
    )
    factors: int = Field(default=130, ge=1, le=4096, description="number of factors of the matrix factorisation")
    regularization: float = Field(default=2.319952, gt=0, description="regularisation of the matrix factorisation")
    epochs: int = Field(default=2, ge=1, le=1000, description="passes of the matrix factorisation over the data")
    random_seed: int = Field(default=42, ge=0, lt=2**32, description="random seed of the matrix factorisation")
    next_idle_minutes: float = Field(
        default=30, gt=0, le=1440, description="model `next`: a reader's pause that ends a session, in minutes"
    )
    next_sessions: int = Field(
        default=500, ge=1, le=100_000, description="model `next`: number of latest sessions of an article that count"
    )
    next_age_hours: float = Field(
        default=3,
        gt=0,
        description="model `next`: hours after which a session counts 1/e; longer for articles with few sessions",
    )
    next_steps: float = Field(
        default=2, gt=0, description="model `next`: steps further in a session after which an article counts 1/e"
    )
    next_popularity: float = Field(
        default=150,
        gt=0,
        description="model `next`: weight of what is popular now, in sessions; more: lists resemble each other",
    )
    next_popularity_half_life_hours: float = Field(
        default=0.5,
        gt=0,
        description="model `next`: half-life of a reading as a sign of what is popular now, in hours; "
        "longer where little is read",
    )
    next_blend: float = Field(
        default=0.1, ge=0, lt=1, description="model `next`: share of the similarity of `blend` in a score, 0 to 1"
    )
    metadata_refresh_hours: float = Field(
        default=24, ge=0, description="maximum age, in hours since publication, of articles that are fetched again"
    )
    metadata_backfill_before: date | None = Field(
        default=None, description="UTC date; articles last updated before it are fetched again; if empty, none"
    )
    max_bad_line_ratio: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="maximum share of unreadable event lines, or of several unreadable "
        "objects, before a run fails, 0 to 1",
    )
    max_lag_hours: float | None = Field(
        default=None,
        gt=0,
        description="maximum hours from the newest event to the instant of a run before the run fails; if empty, "
        "there is no limit, and more than 6 are part of the note of the run",
    )
    max_shrink: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="maximum share of source articles that a new model may lack compared with the one it replaces, "
        "above 0, at most 1; if it lacks more, it is not promoted; if empty, there is no limit",
    )
    model_retention: int = Field(
        default=2, ge=0, le=1000, description="number of models to keep per site and type besides the current one"
    )
    save_figures: bool = Field(default=False, description="whether to draw the gaps between events")
    display_progress: bool = Field(default=False, description="whether to log the progress of training")
    artifacts_url: str = Field(
        default="",
        pattern=r"^$|^file:///.+|^s3://[^/]+(/.*)?$",
        description="location to which each run's tables are copied, `file:///…` or `s3://…`; if empty, none",
    )
    public: bool = Field(
        default=True,
        validation_alias="ARTICLES_PUBLIC",
        description="whether anybody can read `/articles/…`, as readers' browsers do; otherwise only Airflow's users",
    )
    cache_seconds: float = Field(
        default=900,
        ge=0,
        validation_alias="ARTICLES_CACHE_SECONDS",
        description="maximum age of the API's cached answers, in seconds",
    )


PARAMETERS = [
    name
    for name in ArticleSettings.model_fields
    if name not in ("site_name", "sites_file", "public", "cache_seconds", "artifacts_url")
]
"""Settings that a site or a run can override."""
