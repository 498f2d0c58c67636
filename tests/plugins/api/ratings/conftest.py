"""The ratings app, with storage in a folder and no Airflow behind it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from deploy.demo.ratings.generate import movielens_like
from include.core.storage import Store
from include.ratings.data import base
from include.ratings.settings import RatingsSettings
from quartet.api.ratings.app import create_app
from tests.support.ratings import RatingsPlatform, RegistryInMemory


@cache
def _app() -> FastAPI:
    """Build the app once, since that takes longer than a test of it."""
    return create_app()


@pytest.fixture
def client(home, signed_in, monkeypatch):
    """Yield a client of the app as an administrator; bodies of at most 100,000 bytes and 500 rows."""
    monkeypatch.setenv("RATINGS_MAX_BODY_BYTES", "100000")
    monkeypatch.setenv("RATINGS_MAX_ROWS", "500")
    app = _app()
    app.state.settings = RatingsSettings.load()
    signed_in(app, "admin")
    with TestClient(app) as client:
        yield client


@pytest.fixture
def root(home) -> Path:
    """Return the workflow's folder."""
    return home / "data" / "ratings"


@pytest.fixture
def stored_files(root) -> Callable[[], list[str]]:
    """Return a function that lists the names of all files of the workflow."""
    return lambda: [path.name for path in root.rglob("*") if path.is_file()]


@pytest.fixture
def platform(home, root, monkeypatch) -> RatingsPlatform:
    """Return the runs of the workflow, on the storage of the app."""
    monkeypatch.delenv("MOVIELENS_100K", raising=False)
    base.store(root, movielens_like(seed=1, ratings=1_500), "test")
    settings = RatingsSettings(algorithm="BaselineOnly")
    return RatingsPlatform(Store(root, f"{root}"), RegistryInMemory(home / "data"), settings)
