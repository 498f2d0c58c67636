"""Environment of the containers: settings of Airflow, Quartet and MLflow that are not secret."""

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
"""Names that Airflow looks up in Secrets Manager; access to any other would be denied instead of reported missing."""


def airflow(
    settings: StackSettings, *, region: str, address: str, cidr: str, storage: str, log_group: str, mariadb: str
) -> dict[str, str]:
    """
    Build the environment of every component of Airflow and of the init task.

    Args:
        settings: settings of the stack.
        region: region of the stack.
        address: public URL of the web UI.
        cidr: address range of the network; `X-Forwarded-…` headers from there are trusted.
        storage: root URL of the data.
        log_group: ARN of the log group.
        mariadb: host of MariaDB.

    Raises:
        SettingsError: `settings.environment` has a variable that is set here.
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
        # docs/logs.md; without a connection, the task's role provides the credentials
        "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
        "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": f"cloudwatch://{log_group}",
        # Redis presents a certificate of Amazon and asks for none of ours
        "AIRFLOW__CELERY__SSL_ACTIVE": "True",
        "AIRFLOW__CELERY__SSL_MUTUAL_TLS": "False",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(settings.worker_concurrency),
        # longer than any task may take: after this time Celery hands a task to a second worker
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
    """Build the environment of MLflow's server."""
    return {
        "AWS_DEFAULT_REGION": region,
        "CONNECTION_CHECK_MAX_COUNT": "0",  # the image would wait for Airflow's database, whose address it lacks
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": f"{storage}/mlflow",
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{MLFLOW_HOST}:{MLFLOW_PORT},localhost:{MLFLOW_PORT}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def _joined(own: Mapping[str, str], further: Mapping[str, str]) -> dict[str, str]:
    if duplicates := own.keys() & further.keys():
        raise SettingsError(f"environment: {', '.join(sorted(duplicates))} is set by the stack itself")
    return {**own, **further}
