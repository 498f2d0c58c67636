"""What the containers are told: settings of Airflow, Quartet and MLflow that are no secrets."""

import json
from collections.abc import Mapping

from deploy.aws.credentials import CONNECTIONS, VARIABLES
from deploy.aws.network import API_PORT, MARIADB_PORT, MLFLOW_PORT
from deploy.aws.settings import StackSettings
from include.core.errors import SettingsError

ZONE = "quartet.internal"
API_HOST = f"api-server.{ZONE}"
MLFLOW_HOST = f"mlflow.{ZONE}"
SECRETS_BACKEND = {
    "connections_prefix": CONNECTIONS,
    "connections_lookup_pattern": "^quartet_(api|articles|storage)$",
    "variables_prefix": VARIABLES,
    "variables_lookup_pattern": "^article_recs$",
    "config_prefix": None,
}
"""What Airflow looks for in Secrets Manager; a name that is not there would be refused, not missing."""


def airflow(
    settings: StackSettings, *, region: str, address: str, cidr: str, storage: str, log_group: str, mariadb: str
) -> dict[str, str]:
    """
    Give the environment of every component of Airflow, and of the init task.

    Args:
        settings: of the stack.
        region: where the stack is.
        address: URL of the web UI, as users have it.
        cidr: addresses of the network; what comes from there and names another caller is believed.
        storage: root URL of the data.
        log_group: ARN of the log group.
        mariadb: host of MariaDB.

    Raises:
        SettingsError: the further settings name one that is made here.
    """
    values = {
        "AWS_DEFAULT_REGION": region,
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__API__INSTANCE_NAME": "Quartet",
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__FAB__CONFIG_FILE": "/opt/quartet/deploy/production/webserver_config.py",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{API_HOST}:{API_PORT}/execution/",
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__SECRETS__BACKEND": "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(SECRETS_BACKEND),
        # docs/logs.md; no connection is named, so the credentials are those of the task's role
        "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
        "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": f"cloudwatch://{log_group}",
        # Redis shows a certificate of Amazon's, asks for none of ours
        "AIRFLOW__CELERY__SSL_ACTIVE": "True",
        "AIRFLOW__CELERY__SSL_MUTUAL_TLS": "False",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(settings.worker_concurrency),
        # longer than any task may take: later Celery gives it to a second worker
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "True",
        "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps(settings.spark),
        "FORWARDED_ALLOW_IPS": cidr,
        "QUARTET_STORAGE": storage,
        "QUARTET_ALLOWED_HOSTS": f"{address.partition('://')[2]},{API_HOST},localhost",
        "MLFLOW_TRACKING_URI": f"http://{MLFLOW_HOST}:{MLFLOW_PORT}",
        "INPUT_HOST": mariadb,
        "INPUT_PORT": str(MARIADB_PORT),
        "INPUT_USER": "audience_input",
        "INPUT_SCHEMA": settings.input_schemas[0],
        "OUTPUT_HOST": mariadb,
        "OUTPUT_PORT": str(MARIADB_PORT),
        "OUTPUT_USER": "audience_output",
        "OUTPUT_SCHEMA": settings.output_schemas[0],
    }
    if further := settings.output_schemas[1:]:
        values["AUDIENCE_ALLOWED_SCHEMAS"] = ",".join(further)
    return _joined(values, settings.environment)


def mlflow(*, region: str, storage: str) -> dict[str, str]:
    """Give the environment of MLflow's server."""
    return {
        "AWS_DEFAULT_REGION": region,
        "CONNECTION_CHECK_MAX_COUNT": "0",  # the image would wait for Airflow's database, which it does not know
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": f"{storage}/mlflow",
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{MLFLOW_HOST}:{MLFLOW_PORT},localhost:{MLFLOW_PORT}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def _joined(made: Mapping[str, str], further: Mapping[str, str]) -> dict[str, str]:
    if twice := made.keys() & further.keys():
        raise SettingsError(f"environment: {', '.join(sorted(twice))} is set by the stack itself")
    return {**made, **further}
