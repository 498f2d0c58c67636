"""
Prepare everything that the components need, before they start: `python -m deploy.production.init`.

The databases of Airflow, MLflow and the articles are created or migrated; users, pools and the storage's bucket are
created if they are missing. It is idempotent: a step with nothing to do changes nothing.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module

from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from deploy import settings
from deploy.compose.env import unusable
from deploy.production.reach import reach, required
from include import workflows
from include.core.errors import BadDataError

log = logging.getLogger("init")


def airflow_database() -> None:
    """Create or migrate Airflow's tables, including those of the auth manager."""
    reach(make_url(required("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")))
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)


def mlflow_database() -> None:
    """Create or migrate MLflow's tables."""
    uri = required("MLFLOW_BACKEND_STORE_URI")
    reach(make_url(uri))
    from mlflow.db import upgrade

    assert upgrade.callback  # noqa: S101 - for the type checker: a click command has one
    upgrade.callback(uri)


def users() -> None:
    """Create the administrator and the service user, or update them to the settings."""
    from deploy.production.users import ensure_admin, ensure_service_user, security_manager

    with security_manager() as security:
        ensure_admin(security)
        ensure_service_user(security)


def pools() -> None:
    """Create the pools that are missing; an existing pool keeps its size."""
    from airflow.models.pool import Pool

    for name, pool in workflows.pools().items():
        if Pool.get_pool(name) is None:
            Pool.create_or_update_pool(name, pool.slots, pool.description, pool.include_deferred)


def storage() -> None:
    """Create the bucket of the storage, if the storage is in S3 and the bucket is missing."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from quartet.hooks.storage import StorageHook

    root = StorageHook().root
    if not root.startswith("s3://"):
        return
    bucket, hook = make_url(root).host or "", S3Hook(aws_conn_id=StorageHook.default_conn_name)
    if not hook.check_for_bucket(bucket):
        hook.create_bucket(bucket_name=bucket)


def steps() -> dict[str, Callable[[], None]]:
    """Return title → step, in order: the platform's and those of each workflow that has any."""
    prepared = [workflow.name for workflow in workflows.WORKFLOWS if workflow.prepared]
    of_workflows = [import_module(f"deploy.production.prepare.{name}").STEPS for name in prepared]
    return {
        "storage": storage,
        "MLflow's database": mlflow_database,
        **{title: step for each in of_workflows for title, step in each.items()},
        "Airflow's database": airflow_database,  # late, since the pods of Airflow's chart start once it is migrated
        "users": users,
        "pools": pools,
    }


def main() -> int:
    """Run all steps; return 1 if one fails, after logging which and why."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    log.setLevel(logging.INFO)
    try:
        if wrong := unusable(os.environ):
            raise BadDataError("; ".join(wrong))
        settings.check()
        for name, step in steps().items():
            log.info("%s", name)
            step()
    except (BadDataError, DBAPIError, subprocess.CalledProcessError) as error:
        log.error("%s", str(error).splitlines()[0])
        return 1
    log.info("everything is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
