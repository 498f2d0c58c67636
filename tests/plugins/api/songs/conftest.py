"""The song plays API over a storage in a folder or in S3, without Airflow behind it."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from include.core.storage import StoragePath
from quartet.api.songs.app import create_app
from quartet.hooks.storage import StorageHook
from tests.plugins.api.songs.content import fill


@cache
def _app() -> FastAPI:
    """Build the app once, since that takes longer than a test of it."""
    return create_app()


@pytest.fixture
def client(signed_in) -> Iterator[TestClient]:
    """Yield a client of the app, signed in as a viewer."""
    app = _app()
    signed_in(app, "viewer")
    with TestClient(app) as client:
        yield client


@pytest.fixture
def root(home: Path) -> Path:
    """Return the folder of the song plays, which does not exist yet."""
    return home / "data" / "songs"


@pytest.fixture(params=["local", "s3"])
def full(request: pytest.FixtureRequest) -> StoragePath:
    """Return a root, local or in S3, with one complete day."""
    request.getfixturevalue("home" if request.param == "local" else "s3_storage")
    root = StorageHook().path("songs")
    fill(root)
    return root
