"""An empty database of the newest version, on SQLite and on PostgreSQL, and what tests put into it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import URL, Engine, make_url, text

from include.articles.database import articles, models, recommendations, schema
from include.articles.sites.adapters.base import Metadata
from include.core.database.engine import open_engine
from tests.support.services import POSTGRES, fresh_database

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SITE = "washington-city-paper"


def hours(number: float) -> datetime:
    """Return the instant this many hours after noon."""
    return NOON + timedelta(hours=number)


@dataclass
class Database:
    """
    A database, and short ways to put things into it.

    Attributes:
        engine: the database.
        url: its address.
    """

    engine: Engine
    url: URL

    def articles(self, *external_ids: str, site: str = SITE) -> dict[str, int]:
        """Store articles; give external id → id."""
        upserted = [Metadata(each, f"Title {each}", f"/article/{each}/x/", NOON, None) for each in external_ids]
        articles.upsert(self.engine, site, upserted, NOON)
        return articles.ids(self.engine, site, external_ids)

    def model(self, run: str = "run", at: datetime = NOON, type: str = "article", site: str = SITE) -> int:
        """Open a model."""
        return models.open_models(self.engine, site, run, [type], at, at)[type]

    def filled(
        self, run: str, at: datetime = NOON, type: str = "article", site: str = SITE, sources: str = "ab"
    ) -> int:
        """Open a model and give each letter of *sources* a list with the articles `1` and `2`."""
        model_id = self.model(run, at, type, site)
        recommendations.write(self.engine, model_id, self.lists(sources, site), at)
        return model_id

    def lists(self, sources: str = "ab", site: str = SITE) -> pd.DataFrame:
        """Build lists with the articles `1` and `2` for each letter of *sources*."""
        ids = self.articles("1", "2", site=site)
        rows = [(source, rank, ids[str(rank)], 0.25 * rank) for source in sources for rank in (1, 2)]
        return pd.DataFrame(rows, columns=["source", "rank", "article_id", "score"])

    def status(self, model_id: int) -> str:
        """Return the status of a model."""
        return models.read(self.engine, model_id).status

    def statuses(self) -> dict[int, str]:
        """Return id → status of all models."""
        return {row.id: row.status for row in self.rows("SELECT id, status FROM model ORDER BY id")}

    def rows(self, statement: str, **parameters: object) -> list:
        """Return the rows of a query."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement), parameters))

    def execute(self, statement: str, **parameters: object) -> None:
        """Execute a statement."""
        with self.engine.begin() as connection:
            connection.execute(text(statement), parameters)

    def count(self, model_id: int) -> int:
        """Count the recommendations of a model."""
        return self.rows("SELECT count(*) FROM recommendation WHERE model_id = :id", id=model_id)[0][0]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("articles") / "template.db"
    with open_engine(make_url(f"sqlite:///{path}")) as engine:
        schema.upgrade(engine)
    return path


@pytest.fixture(scope="session")
def postgres_migrated() -> Iterator[URL]:
    """Create a migrated PostgreSQL database, to be emptied."""
    with contextmanager(fresh_database)(POSTGRES) as url:
        with open_engine(url) as engine:
            schema.upgrade(engine)
            with engine.begin() as connection:  # the tests do not crash the machine
                connection.execute(text(f"ALTER DATABASE {url.database} SET synchronous_commit = off"))
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Yield an empty database with the newest schema."""
    if request.param == "sqlite":
        url = make_url(f"sqlite:///{tmp_path}/articles.db")
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "articles.db")
    else:
        url = request.getfixturevalue("postgres_migrated")
    with open_engine(url) as engine:
        if request.param == "postgres":
            with engine.begin() as connection:
                for table in ("model", "article", "path"):  # TRUNCATE takes longer
                    connection.execute(text(f"DELETE FROM {table}"))
        yield Database(engine, url)


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """Return the address of a database without tables."""
    if request.param == "sqlite":
        return make_url(f"sqlite:///{tmp_path}/data/articles.db")
    return request.getfixturevalue("postgres")
