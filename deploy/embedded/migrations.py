"""Creation and migration of the tables in one database: Airflow's, MLflow's or a workflow's."""

import os
from importlib import import_module

from sqlalchemy import URL

from include.core.database.engine import open_engine
from include.core.settings import PlatformSettings


def migrate_airflow(url: URL) -> None:
    """Create or migrate Airflow's tables, including those of its providers."""
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = url.render_as_string(hide_password=False)
    from airflow import settings
    from airflow.utils.db import upgradedb

    upgradedb()
    settings.dispose_orm()


def migrate_mlflow(url: URL) -> None:
    """Create or migrate MLflow's tables, and create MLflow's default experiment."""
    from mlflow.db import upgrade
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    address = url.render_as_string(hide_password=False)
    assert upgrade.callback  # noqa: S101 - for the type checker: a click command has one
    upgrade.callback(address)
    SqlAlchemyStore(address, f"{PlatformSettings.load().storage_url}/mlflow")._dispose_engine()


def migrate_workflow(name: str, url: URL) -> None:
    """Create or migrate the tables of a workflow."""
    with open_engine(url) as engine:
        import_module(f"include.{name}.database.schema").upgrade(engine)


def migrate(name: str, url: URL) -> None:
    """Create or migrate the tables of the database *name*."""
    match name:
        case "airflow":
            migrate_airflow(url)
        case "mlflow":
            migrate_mlflow(url)
        case _:
            migrate_workflow(name, url)
