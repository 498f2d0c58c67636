"""An app of the articles API, mostly on SQLite and without Airflow behind it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import URL, Engine, event

from include.articles.database.tables import METADATA
from include.core.database.engine import open_engine
from quartet.api.articles.app import create_app
from tests.plugins.api.articles.responses import DEFAULTS
from tests.support.serving_rows import OTHER, SITE, Rows


class Clock:
    """A timer that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A timer that is set by hand."""
    return Clock()


@pytest.fixture
def file(home: Path) -> URL:
    """URL of the database that the app reads; it does not exist."""
    (home / "data").mkdir()
    return URL.create("sqlite", database=str(home / "data" / "articles.db"))


@pytest.fixture
def client(file: URL, clock: Clock) -> Iterator[TestClient]:
    """A client of the app."""
    with TestClient(create_app(clock), follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, int]]:
    """A database without rows, one with rows, and the value of `filled`."""
    folder = tmp_path_factory.mktemp("templates")
    empty, full = folder / "empty.db", folder / "full.db"
    with open_engine(URL.create("sqlite", database=str(empty))) as engine:
        METADATA.create_all(engine)
    shutil.copy(empty, full)
    found = {}
    with open_engine(URL.create("sqlite", database=str(full))) as engine:
        rows = Rows(engine)
        for site in (OTHER, SITE):
            articles = {each: rows.article(each, site) for each in ["10", "20", "21", "22", *DEFAULTS]}
            found = {type: rows.model(type, site=site) for type in ("article", "popularity")}
            rows.recommend(found["article"], "10", [articles[each] for each in ("20", "21", "22")])
            rows.recommend(found["popularity"], "default", [articles[each] for each in DEFAULTS])
    return empty, full, found


@pytest.fixture
def rows(file: URL, templates: tuple[Path, Path, dict[str, int]]) -> Iterator[Rows]:
    """The database that the app reads, empty, or with the rows of `filled`."""
    if not Path(str(file.database)).exists():
        shutil.copy(templates[0], str(file.database))
    with open_engine(file) as engine:
        yield Rows(engine)


@pytest.fixture
def filled(file: URL, templates: tuple[Path, Path, dict[str, int]]) -> dict[str, int]:
    """
    Ids of two models in the database; another site has models with the same external ids.

    `article`: the article 10 has 20, 21 and 22. `popularity`: `DEFAULTS`, by falling score.
    """
    shutil.copy(templates[1], str(file.database))
    return templates[2]


@pytest.fixture
def queries() -> Iterator[list[str]]:
    """List of the queries from now on."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT"):
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)
