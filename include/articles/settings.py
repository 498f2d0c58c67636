"""Settings of the article recommendations: events, filters, models, retention, what the API answers with."""

from datetime import date
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from include.core.settings import Settings

DAY_SECONDS = 86_400


class ArticleSettings(Settings):
    """
    How recommendations are computed and served.

    The parameters of a run (`PARAMETERS`) may also be given a site, a run or as an Airflow Variable; see
    `include/articles/parameters.py`.
    """

    model_config = SettingsConfigDict(env_prefix="ARTICLE_RECS_")

    site_name: str = Field(
        default="washington-city-paper", description="site that the API answers for when a request names none"
    )
    sites_file: str = Field(
        default="", description="YAML file with sites of your own; empty: `sites.yaml` below QUARTET_HOME"
    )
    site_base_url: str = Field(
        default="",
        pattern=r"^$|^https?://[^/]+.*$",
        description="URL that stands in for the address of every site, such as that of a copy; empty: the site's own",
    )
    ga_data_bucket: str = Field(
        default="lnl-snowplow-washington-city-paper",
        min_length=1,
        description="where the events lie: `s3://bucket/prefix`, `file:///path`, or the name of an S3 bucket",
    )
    model: Literal["als", "blend", "cooccurrence"] = Field(
        default="blend",
        description="what finds related articles: `blend` (common readers and topics), `cooccurrence` (common readers) "
        "or `als` (matrix factorisation)",
    )
    days_of_data: int = Field(default=28, ge=1, le=3660, description="UTC dates of events read, the run's included")
    max_recs: int = Field(default=20, ge=1, le=1000, description="recommendations kept of an article")
    max_gap_seconds: float = Field(
        default=600, gt=0, description="gaps between two events above this are idle time, in seconds"
    )
    min_reader_seconds: float = Field(
        default=60, ge=0, description="readers who read less than this in all are left out, in seconds"
    )
    min_articles_per_reader: int = Field(default=2, ge=1, description="distinct articles that a reader has read")
    min_readers_per_article: int = Field(default=2, ge=1, description="distinct readers that an article has")
    dwell_half_life_days: float = Field(
        default=59.631698, gt=0, description="days after which reading counts half; `inf`: no decay"
    )
    defaults_half_life_days: float = Field(
        default=10, gt=0, description="age of an article, in days, at which it counts half among the defaults"
    )
    recs_half_life_days: float = Field(
        default=30, gt=0, description="age of an article, in days, at which it counts half among related articles"
    )
    defaults_window_interactions: int = Field(
        default=5000, ge=1, description="latest interactions that the defaults are computed from"
    )
    defaults_confidence: float = Field(
        default=0.95, ge=0.5, lt=1, description="one-sided level of confidence of the dwell of a default"
    )
    factors: int = Field(default=130, ge=1, le=4096, description="factors of the matrix factorisation")
    regularization: float = Field(default=2.319952, gt=0, description="its regularisation")
    epochs: int = Field(default=2, ge=1, le=1000, description="its passes over the data")
    random_seed: int = Field(default=42, ge=0, lt=2**32, description="its seed")
    metadata_refresh_hours: float = Field(
        default=24, ge=0, description="articles published within so many hours are fetched again"
    )
    metadata_backfill_before: date | None = Field(
        default=None, description="articles last updated before this UTC date are fetched again; empty: none"
    )
    max_bad_line_ratio: float = Field(
        default=0.05, ge=0, le=1, description="share of unreadable event lines above which a run fails, 0 to 1"
    )
    max_shrink: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of source articles that a new model may have lost against the one it replaces, above 0 to "
        "1; with a larger loss it is refused; empty: no such guard",
    )
    model_retention: int = Field(
        default=2, ge=0, le=1000, description="models kept of a site and type besides the current one"
    )
    save_figures: bool = Field(default=False, description="also draw the gaps between events")
    display_progress: bool = Field(default=False, description="log the progress of training")
    artifacts_url: str = Field(
        default="",
        pattern=r"^$|^file:///.+|^s3://[^/]+(/.*)?$",
        description="where the tables of each run are copied to, `file:///…` or `s3://…`; empty: nowhere",
    )
    public: bool = Field(
        default=True,
        validation_alias="ARTICLES_PUBLIC",
        description="whether anybody may read `/articles/…`, as readers' browsers do; otherwise Airflow's users only",
    )
    cache_seconds: float = Field(
        default=900,
        ge=0,
        validation_alias="ARTICLES_CACHE_SECONDS",
        description="how long the API may answer with what it has read before, in seconds",
    )


PARAMETERS = [
    name
    for name in ArticleSettings.model_fields
    if name not in ("site_name", "sites_file", "public", "cache_seconds", "artifacts_url")
]
"""The settings that a site or a run may override."""
