"""
Prepare everything that the components need, once, before they start: `python -m deploy.production.init`.

Databases of Airflow, MLflow and the articles are made or migrated; users, pools and the storage's bucket are made if
they are missing. It may be run again at any time: a step does nothing when there is nothing to do.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import DBAPIError

from deploy import settings
from deploy.pools import POOLS
from deploy.production import databases
from include.core.databases import open_engine, tries
from include.core.errors import BadDataError

if TYPE_CHECKING:
    from include.audience.settings import AudienceSettings

log = logging.getLogger("init")

PATIENCE_SECONDS = 120
"""How long a database that does not answer is waited for."""

CRAWLER = "crawler"
"""Who fills the source of audience labeling, on a server of our own."""


class MissingVariableError(BadDataError):
    """A variable that production needs is not set."""


def airflow_database() -> None:
    """Make or migrate Airflow's tables, the auth manager's too."""
    _reach(make_url(_required("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")))
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)


def base_ratings() -> None:
    """Store the base data that MOVIELENS_100K names; without it the first training fetches them."""
    from include.ratings import base
    from include.ratings.settings import RatingsSettings
    from quartet.hooks.storage import StorageHook

    if location := RatingsSettings.load().movielens_100k:
        base.store(StorageHook().path("ratings"), base.read_movielens(Path(location)), location)


def mlflow_database() -> None:
    """Make or migrate MLflow's tables."""
    uri = _required("MLFLOW_BACKEND_STORE_URI")
    _reach(make_url(uri))
    from mlflow.db import upgrade

    assert upgrade.callback  # noqa: S101 - for the type checker: a click command has one
    upgrade.callback(uri)


def articles_database() -> None:
    """Make or migrate the tables of the article recommendations."""
    from include.articles.database import schema
    from quartet.hooks.database import DatabaseHook

    hook = DatabaseHook("quartet_articles")
    _reach(hook.url)
    with hook.engine() as engine:
        schema.upgrade(engine)


def audience_databases() -> None:
    """
    Look whether source and results of audience labeling answer; their tables are made by the tasks.

    On the server MARIADB_HOST, which is ours, schemas and accounts are made.
    """
    from include.audience.settings import AudienceSettings

    audience = AudienceSettings.load()
    if audience.output_host == os.environ.get("MARIADB_HOST"):
        tries(seconds=PATIENCE_SECONDS)(_audience_accounts, audience)
    _reach(audience.source_url(audience.input_schema))
    _reach(audience.result_url(audience.output_schema))


def _audience_accounts(audience: "AudienceSettings") -> None:
    """Let the platform's user read the source and own the results, and the crawler own the source."""
    root = audience.result_url("").set(username="root", password=_required("MARIADB_ROOT_PASSWORD"), database=None)
    user, password = audience.output_user, audience.output_password.get_secret_value()
    databases.mariadb(root, user, password, [audience.input_schema], "SELECT")
    databases.mariadb(root, user, password, sorted(audience.output_schemas), databases.ALL)
    databases.mariadb(root, CRAWLER, _required("AUDIENCE_SOURCE_PASSWORD"), [audience.input_schema], databases.ALL)


def users() -> None:
    """Make administrator and service user, or give them what the settings say now."""
    from deploy.production.users import ensure_admin, ensure_service_user, security_manager

    with security_manager() as security:
        ensure_admin(security)
        ensure_service_user(security)


def pools() -> None:
    """Make the pools that are missing; one that exists keeps its size."""
    from airflow.models.pool import Pool

    for name, (slots, deferred, description) in POOLS.items():
        if Pool.get_pool(name) is None:
            Pool.create_or_update_pool(name, slots, description, deferred)


def storage() -> None:
    """Make the bucket of the storage, if it is one that is missing and that may be made."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from quartet.hooks.storage import StorageHook

    root = StorageHook().root
    if not root.startswith("s3://"):
        return
    bucket, hook = make_url(root).host or "", S3Hook(aws_conn_id=StorageHook.default_conn_name)
    if not hook.check_for_bucket(bucket):
        hook.create_bucket(bucket_name=bucket)


STEPS: dict[str, Callable[[], None]] = {
    "storage": storage,
    "base ratings": base_ratings,
    "MLflow's database": mlflow_database,
    "the articles' database": articles_database,
    "the databases of audience labeling": audience_databases,
    "Airflow's database": airflow_database,  # late: the pods of Airflow's chart start when it is migrated
    "users": users,
    "pools": pools,
}


def main() -> int:
    """Do all steps; 1 if one cannot be done, with a line that says which and why."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    log.setLevel(logging.INFO)
    try:
        settings.check()
        for name, step in STEPS.items():
            log.info("%s", name)
            step()
    except (BadDataError, DBAPIError, subprocess.CalledProcessError) as error:
        log.error("%s", str(error).splitlines()[0])
        return 1
    log.info("all is ready")
    return 0


def _required(variable: str) -> str:
    if value := os.environ.get(variable):
        return value
    raise MissingVariableError(f"{variable} is not set")


def _reach(url: URL) -> None:
    """Wait until a database answers."""

    def look() -> None:
        with open_engine(url) as engine, engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    log.info("  %s", url.render_as_string(hide_password=True))
    tries(seconds=PATIENCE_SECONDS)(look)


if __name__ == "__main__":
    sys.exit(main())
