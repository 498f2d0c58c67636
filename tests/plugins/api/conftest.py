"""Airflow's real API server app in this process, with users of its own, on a temporary database."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL

from include.articles.database import schema
from include.core.database.engine import open_engine
from include.workflows import WORKFLOWS
from tests.support.api_client import Client
from tests.support.serving_rows import Rows

ROOT = Path(__file__).resolve().parents[3]

DAG = """
from airflow.sdk import dag, task

@dag(schedule=None)
def {name}():
    @task
    def wait() -> None: ...

    wait()

{name}()
"""
SITE_DAG = "article_recs__washington_city_paper"
DAGS = [SITE_DAG if name == "article_recs" else name for workflow in WORKFLOWS for name in workflow.dags]
PASSWORDS = {"admin": "a", "viewer": "v"}


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A migrated, empty Airflow with one DAG of each name in `DAGS`; the process' own settings come back at the end."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    for name in DAGS:
        (home / "dags" / f"{name}.py").write_text(DAG.format(name=name))
    (home / "passwords.json").write_text(json.dumps(PASSWORDS))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # while Airflow starts; what it warns of is not ours
        for name, value in {
            "AIRFLOW__API__BASE_URL": "http://localhost:8080",
            "AIRFLOW__API_AUTH__JWT_SECRET": "secret" * 12,
            "AIRFLOW__CORE__DAGS_FOLDER": home / "dags",
            "AIRFLOW__CORE__LOAD_EXAMPLES": False,
            "AIRFLOW__CORE__PLUGINS_FOLDER": ROOT / "plugins",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": home / "passwords.json",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "QUARTET_HOME": home / "quartet",
            "QUARTET_STORAGE": "",
            "QUARTET_ALLOWED_HOSTS": "127.0.0.1,localhost,::1",
        }.items():
            patch.setenv(name, str(value))
        _reconfigure()
        _forget_plugins()
        _fill_database(home / "dags")
        _fill_articles(home / "quartet" / "data" / "articles.db")
        yield home
    _reconfigure()
    _forget_plugins()


@pytest.fixture(scope="session")
def airflow(airflow_home: Path) -> Iterator[Client]:
    """Airflow's API server with the plugin; its users are in `PASSWORDS`."""
    with serving(all_admins=False) as client:
        yield client


@contextmanager
def serving(all_admins: bool) -> Iterator[Client]:
    """Start Airflow's app anew, as the app that the process has; at the end the one before is back."""
    from airflow.api_fastapi import app as airflow_app

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", str(all_admins))
        patch.setattr(airflow_app._AuthManagerState, "instance", None)
        app = airflow_app.create_app()
        patch.setattr(airflow_app, "cached_app", lambda apps: app)
        with Client(app, PASSWORDS) as client:
            yield client


def _forget_plugins() -> None:
    from airflow import plugins_manager

    plugins_manager._get_plugins.cache_clear()
    plugins_manager.get_fastapi_plugins.cache_clear()


def _reconfigure() -> None:
    from airflow import settings

    settings.configure_vars()
    settings.reconfigure_orm()


def _fill_database(dags: Path) -> None:
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.utils.db import initdb

    initdb()
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(DagBag(dags, bundle_path=dags), "dags-folder", None)


def _fill_articles(path: Path) -> None:
    """Create the article database with a model 1 that has one recommendation."""
    with open_engine(URL.create("sqlite", database=str(path))) as engine:
        schema.upgrade(engine)
        rows = Rows(engine)
        rows.recommend(rows.model("popularity", id=1), "default", [rows.article("1")])
