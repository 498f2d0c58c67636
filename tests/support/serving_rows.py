"""Rows of the article database for tests of what is served: articles, models, recommendations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, insert, update

from include.articles.database.tables import ARTICLE, METADATA, MODEL, RECOMMENDATION

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SITE, OTHER = "washington-city-paper", "texas-tribune"


@dataclass
class Rows:
    """A database with the tables, and short ways to put rows into them; each gives the id of what it has put there."""

    engine: Engine

    def article(self, external_id: str, site: str = SITE, **columns: Any) -> int:
        """Insert an article."""
        values = {"title": f"Title {external_id}", "path": f"/article/{external_id}/x/", "published_at": NOON}
        times = {"created_at": NOON, "updated_at": NOON}
        return self._put(ARTICLE, {"site": site, "external_id": external_id, **values, **times, **columns})

    def model(
        self, type: str = "article", status: str = "current", site: str = SITE, hours: float = 0, **columns: Any
    ) -> int:
        """Insert a model that was created this many hours after noon."""
        at = NOON + timedelta(hours=hours)
        times = {"data_as_of": at, "created_at": at, "updated_at": at}
        values = {"site": site, "type": type, "status": status, "run_id": f"run {hours} {status}"}
        return self._put(MODEL, {**values, **times, **columns})

    def recommend(self, model_id: int, source: str, targets: Sequence[int], scores: Sequence[float] = ()) -> list[int]:
        """Insert recommendations of the articles *targets*, the first with rank 1."""
        given = scores or [round(1 - place / 10, 6) for place in range(len(targets))]
        return [
            self._put(
                RECOMMENDATION,
                {
                    "model_id": model_id,
                    "source_entity_id": source,
                    "recommended_article_id": target,
                    "score": score,
                    "rank": place + 1,
                    "created_at": NOON,
                    "updated_at": NOON,
                },
            )
            for place, (target, score) in enumerate(zip(targets, given, strict=True))
        ]

    def promote(self, model_id: int, old: int) -> None:
        """Promote *model_id* in place of *old*."""
        with self.engine.begin() as connection:
            connection.execute(update(MODEL).where(MODEL.c.id == old).values(status="stale"))
            connection.execute(update(MODEL).where(MODEL.c.id == model_id).values(status="current"))

    def clear(self) -> None:
        """Delete everything."""
        with self.engine.begin() as connection:
            for table in reversed(METADATA.sorted_tables):
                connection.execute(delete(table))

    def _put(self, table: Any, values: dict[str, Any]) -> int:
        with self.engine.begin() as connection:
            key = connection.execute(insert(table).values(values)).inserted_primary_key
        assert key is not None
        return key[0]
