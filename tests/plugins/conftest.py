"""Fixtures of the tests that use MLflow, and of those of web apps without Airflow behind them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI


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


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[FastAPI, str | None], None]:
    """
    Return a function that makes all callers of an app a user with a role, without Airflow's database and server.

    The guards of the app decide as in the real thing. With `None` for a role nobody is signed in.
    """
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.security import get_user
    from airflow.models.dag import DagModel

    monkeypatch.setattr("airflow.api_fastapi.core_api.security.get_auth_manager", SimpleAuthManager)
    monkeypatch.setattr(DagModel, "get_team_name", lambda *_, **__: None)

    def sign_in(app: FastAPI, role: str | None = "admin") -> None:
        app.dependency_overrides.pop(get_user, None)
        if role:
            app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username=role, role=role)

    return sign_in
