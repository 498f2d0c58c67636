"""A small platform in a folder: storage, base data, a registry that remembers."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from include.core.registry import ModelVersion, NewModel
from include.core.storage import Store
from include.ratings import base, generate, pipeline, reports
from include.ratings.settings import RatingsSettings

NOW = 1_800_000_000.0
AT = "2027-01-15T08:00:00+00:00"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give an empty folder of the workflow."""
    return Store(tmp_path / "ratings", f"{tmp_path}/ratings")


@pytest.fixture(scope="session")
def small_base() -> bytes:
    """Give 1,500 generated ratings, as the file `u.data` has them."""
    return generate.movielens_like(seed=1, ratings=1_500)


@dataclass
class RegistryInMemory:
    """A registry of models for tests; files go below *root*."""

    root: Path
    versions: list[ModelVersion] = field(default_factory=list)
    champion: int | None = None

    def find(self, name: str, recipe: str) -> ModelVersion | None:
        """Give the version trained by *recipe*."""
        return next((each for each in self.versions if each.tags["recipe"] == recipe), None)

    def register(self, name: str, new: NewModel) -> ModelVersion:
        """Keep a version."""
        version = len(self.versions) + 1
        path = f"models/{version}.pickle"
        (self.root / "models").mkdir(exist_ok=True)
        (self.root / path).write_bytes(new.artefact)
        tags = {**new.tags, "sha256": hashlib.sha256(new.artefact).hexdigest()}
        self.versions.append(ModelVersion(version, AT, "run", path, tags, dict(new.metrics)))
        return self.versions[-1]

    def promote(self, name: str, version: int) -> None:
        """Move the champion."""
        self.champion = version


class Platform:
    """Runs the two steps of `ratings_train` as its DAG does."""

    def __init__(self, store: Store, registry: RegistryInMemory, settings: RatingsSettings) -> None:
        self.store, self.registry, self.settings = store, registry, settings
        self.runs = 0

    def plan(self, now: float = NOW, **asked: Any) -> pipeline.Plan:
        """Run the task `ingest`."""
        self.runs += 1
        return pipeline.pin(
            self.store, base.load(self.store.path), self.settings, pipeline.Asked(**asked), f"run-{self.runs}", now
        )

    def train(self, plan: pipeline.Plan, registry: Any = None) -> reports.Report:
        """Run the task `train`."""
        return pipeline.train_and_promote(self.store, plan, registry or self.registry, self.settings, AT)

    def run(self, **asked: Any) -> reports.Report | None:
        """Run both; `None`: there was nothing to do."""
        plan = self.plan(**asked)
        return None if plan.empty else self.train(plan)

    def drop(self, name: str, text: str, repo: str = "training") -> Path:
        """Put a file there as by hand."""
        path = Path(self.store.path) / repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def platform(store: Store, small_base: bytes) -> Platform:
    """Give a platform with small base data and the fast `BaselineOnly`."""
    base.store(store.path, small_base, "test")
    settings = RatingsSettings(algorithm="BaselineOnly")
    return Platform(store, RegistryInMemory(Path(store.path).parent), settings)
