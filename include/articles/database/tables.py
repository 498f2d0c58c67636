"""The tables of the article recommendations. `migrations/` creates them; a test compares both."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from include.core.database.columns import BIG_ID, Instant

METADATA = MetaData()
DEFAULT_SOURCE = "default"
"""Source of the recommendations of a popularity model, in place of an article."""

ARTICLE = Table(
    "article",
    METADATA,
    Column("id", BIG_ID, primary_key=True),
    Column("site", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("title", Text, nullable=False, server_default=""),
    Column("path", Text, nullable=False, server_default=""),
    Column("published_at", Instant),
    Column("excluded_reason", Text),  # null: may be recommended
    Column("missing_count", Integer, nullable=False, server_default="0"),  # runs in a row that did not find it
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("site", "external_id", name="article_site_external_id_key"),
    Index("article_site_path_idx", "site", "path"),
)

MODEL = Table(
    "model",
    METADATA,
    Column("id", BIG_ID, primary_key=True),
    Column("site", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("data_as_of", Instant, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("error", Text),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    CheckConstraint("type IN ('article', 'popularity', 'user')", name="model_type_check"),
    CheckConstraint("status IN ('pending', 'current', 'stale', 'failed')", name="model_status_check"),
    UniqueConstraint("site", "type", "run_id", name="model_site_type_run_id_key"),
    Index("model_type_status_site_idx", "type", "status", "site"),
    Index(
        "model_current_key",
        "site",
        "type",
        unique=True,
        postgresql_where=text("status = 'current'"),
        sqlite_where=text("status = 'current'"),
    ),
    sqlite_autoincrement=True,  # ids are never reused, as on PostgreSQL
)

RECOMMENDATION = Table(
    "recommendation",
    METADATA,
    Column("id", BIG_ID, primary_key=True),
    Column("model_id", BIG_ID, ForeignKey("model.id", ondelete="CASCADE"), nullable=False),
    Column("source_entity_id", Text, nullable=False),
    Column("recommended_article_id", BIG_ID, ForeignKey("article.id", ondelete="CASCADE"), nullable=False),
    Column("score", Numeric(7, 6, asdecimal=False), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    CheckConstraint("score >= 0 AND score <= 1", name="recommendation_score_check"),  # NaN is neither
    CheckConstraint("rank >= 1", name="recommendation_rank_check"),
    UniqueConstraint(
        "model_id", "source_entity_id", "recommended_article_id", name="recommendation_model_source_target_key"
    ),
    Index("recommendation_source_model_idx", "source_entity_id", "model_id"),
    Index("recommendation_recommended_article_id_idx", "recommended_article_id"),
)
"""`model_id` is indexed as the first column of the unique key."""

PATH = Table(
    "path",
    METADATA,
    Column("id", BIG_ID, primary_key=True),
    Column("site", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("external_id", Text),
    Column("exclude_reason", Text),  # no_external_id, failed_site_validation
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("site", "path", name="path_site_path_key"),
)
"""Paths that are known not to be articles, so that they are not requested again."""
