"""The audience API on SQLite and on MariaDB, mostly without Airflow behind it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from include.audience.results import tables
from include.audience.settings import AudienceSettings
from include.core.database.engine import open_engine
from quartet.api.audience.app import create_app
from quartet.api.audience.service import AudienceService
from quartet.api.common import runs
from tests.support.audience_api import RULES


@cache
def _app() -> FastAPI:
    """Build the app once, since that takes longer than a test of it."""
    return create_app()


@pytest.fixture
def environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Return a patch without any setting of the workflow but our own rules; every run exists."""
    for name in AudienceSettings.model_fields:
        monkeypatch.delenv(AudienceSettings.variable(name), raising=False)
    folder = home / "rules" / "keyword_model"
    folder.mkdir(parents=True)
    (folder / "author_name.csv").write_text(RULES)
    monkeypatch.setenv("AUDIENCE_RULES_DIR", str(home / "rules"))

    async def get_run(request, dag_id, run_id):
        return {"dag_run_id": run_id}

    monkeypatch.setattr(runs, "get_run", get_run)
    return monkeypatch


@pytest.fixture(params=["sqlite", "mariadb"])
def settings(request: pytest.FixtureRequest, environment: pytest.MonkeyPatch) -> AudienceSettings:
    """Return the settings of an empty result schema."""
    if request.param == "mariadb":
        url = request.getfixturevalue("mariadb")
        for name in ("host", "port", "password"):
            environment.setenv(f"OUTPUT_{name.upper()}", str(getattr(url, name) or ""))
        environment.setenv("OUTPUT_USER", url.username)
        environment.setenv("OUTPUT_SCHEMA", url.database)
    return AudienceSettings.load()


@pytest.fixture
def engine(settings: AudienceSettings) -> Iterator[Engine]:
    """Yield the result schema with its table `state`."""
    with open_engine(settings.result_url(settings.output_schema)) as engine:
        tables.ensure(engine, [tables.STATE, tables.PROGRESS, tables.COVERAGE])
        yield engine


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any], str]]:
    """Replace Airflow; return the list of started DAG runs."""
    found: list[tuple[str, dict[str, Any], str]] = []

    async def trigger(request, dag_id, conf, run_id=None, note=None):
        found.append((dag_id, conf, run_id))
        return run_id

    monkeypatch.setattr(runs, "trigger", trigger)
    return found


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Replace Airflow; return the list of ended DAG runs."""
    found: list[tuple[str, str]] = []

    async def end(request, dag_id, run_id):
        found.append((dag_id, run_id))

    monkeypatch.setattr(runs, "fail", end)
    return found


@pytest.fixture
def open_client(signed_in) -> Callable[..., Any]:
    """Return a function that gives an app the current settings and builds a client of it, as an administrator."""

    @contextmanager
    def opened() -> Iterator[TestClient]:
        app = _app()
        app.state.service = AudienceService(AudienceSettings.load())
        signed_in(app, "admin")
        with TestClient(app, follow_redirects=False) as client:
            yield client

    return opened


@pytest.fixture
def client(settings, started, open_client) -> Iterator[TestClient]:
    """Yield a client of the app on an empty schema."""
    with open_client() as client:
        yield client


@pytest.fixture
def no_database(environment, started, open_client) -> Iterator[TestClient]:
    """Yield a client of an app whose server rejects connections, with conspicuous passwords."""
    environment.setenv("INPUT_PASSWORD", "p@ss:w/rd%41")
    environment.setenv("OUTPUT_PASSWORD", "p@ss:w/rd%41&more")
    environment.setenv("OUTPUT_USER", "nobody")
    environment.setenv("OUTPUT_HOST", "127.0.0.1")
    environment.setenv("OUTPUT_PORT", "1")
    with open_client() as client:
        yield client
