"""Fixtures of the tests that use MLflow."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a migrated, empty MLflow database, which takes seconds."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def registry_home(home: Path, empty_registry: Path) -> Path:
    """Return a `QUARTET_HOME` with an empty model registry."""
    shutil.copy(empty_registry, home / "mlflow.db")
    return home
