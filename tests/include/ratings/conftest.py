"""Fixtures: the workflow in a folder, with small base data."""

from pathlib import Path

import pytest

from deploy.demo.ratings.generate import movielens_like
from include.core.storage import Store
from include.ratings.data import base
from include.ratings.settings import RatingsSettings
from tests.support.ratings import RatingsPlatform, RegistryInMemory


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty folder of the workflow."""
    return Store(tmp_path / "ratings", f"{tmp_path}/ratings")


@pytest.fixture(scope="session")
def small_base() -> bytes:
    """Return 1,500 generated ratings, in the form of `u.data`."""
    return movielens_like(seed=1, ratings=1_500)


@pytest.fixture
def platform(store: Store, small_base: bytes, monkeypatch: pytest.MonkeyPatch) -> RatingsPlatform:
    """Return the workflow with small base data and the fast `BaselineOnly`."""
    monkeypatch.delenv("MOVIELENS_100K", raising=False)
    base.store(store.path, small_base, "test")
    settings = RatingsSettings(algorithm="BaselineOnly")
    return RatingsPlatform(store, RegistryInMemory(Path(store.path).parent), settings)
