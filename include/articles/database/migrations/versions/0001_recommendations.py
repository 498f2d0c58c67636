"""Articles, models and their recommendations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables `article`, `model` and `recommendation`."""
    op.create_table(
        "article",
        sa.Column("id", ID, primary_key=True),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False, server_default=""),
        sa.Column("path", sa.Text, nullable=False, server_default=""),
        sa.Column("published_at", INSTANT),
        sa.Column("excluded_reason", sa.Text),
        sa.Column("missing_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.UniqueConstraint("site", "external_id", name="article_site_external_id_key"),
    )
    op.create_index("article_site_path_idx", "article", ["site", "path"])
    op.create_table(
        "model",
        sa.Column("id", ID, primary_key=True),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("data_as_of", INSTANT, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.CheckConstraint("type IN ('article', 'popularity', 'user')", name="model_type_check"),
        sa.CheckConstraint("status IN ('pending', 'current', 'stale', 'failed')", name="model_status_check"),
        sa.UniqueConstraint("site", "type", "run_id", name="model_site_type_run_id_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("model_type_status_site_idx", "model", ["type", "status", "site"])
    is_current = sa.text("status = 'current'")
    op.create_index(
        "model_current_key",
        "model",
        ["site", "type"],
        unique=True,
        postgresql_where=is_current,
        sqlite_where=is_current,
    )
    op.create_table(
        "recommendation",
        sa.Column("id", ID, primary_key=True),
        sa.Column("model_id", ID, sa.ForeignKey("model.id", ondelete="CASCADE"), nullable=False),
        sa.Column("source_entity_id", sa.Text, nullable=False),
        sa.Column("recommended_article_id", ID, sa.ForeignKey("article.id", ondelete="CASCADE"), nullable=False),
        sa.Column("score", sa.Numeric(7, 6), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.CheckConstraint("score >= 0 AND score <= 1", name="recommendation_score_check"),
        sa.CheckConstraint("rank >= 1", name="recommendation_rank_check"),
        sa.UniqueConstraint(
            "model_id", "source_entity_id", "recommended_article_id", name="recommendation_model_source_target_key"
        ),
    )
    op.create_index("recommendation_source_model_idx", "recommendation", ["source_entity_id", "model_id"])
    op.create_index("recommendation_recommended_article_id_idx", "recommendation", ["recommended_article_id"])
