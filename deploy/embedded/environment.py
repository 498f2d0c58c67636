"""Environment of the components: every Airflow setting of embedded mode, as environment variables.

`identity` defines the instance and always takes precedence. `defaults` tune Airflow for one machine; the caller's
environment takes precedence over them.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from deploy.embedded.instance import Instance

LOCAL = ("127.0.0.1", "localhost")


def component_environment(
    instance: Instance, keys: Mapping[str, str], caller: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the whole environment of the platform's processes."""
    telemetry = metrics(instance.otel_endpoint) if instance.otel_endpoint else {}
    environment = defaults() | telemetry | dict(caller) | identity(instance) | dict(keys)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), caller.get("PATH", os.defpath)])
    for name in ("NO_PROXY", "no_proxy"):  # tasks call the API server on this machine
        environment[name] = ",".join([*filter(None, [caller.get(name)]), *LOCAL])
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an import of Airflow takes 1.7 s with bytecode, 4 s without
    return environment


def identity(instance: Instance) -> dict[str, str]:
    """Return the settings that tie the processes to their home, port and code."""
    home, root = instance.home, instance.root
    log_server = instance.port + 10_000 if instance.port < 55_000 else instance.port - 10_000
    return {
        "QUARTET_HOME": str(home),
        "QUARTET_PORT": str(instance.port),
        "QUARTET_INSTANCE": instance.mark,
        "QUARTET_PYTHON": sys.executable,
        "PYTHONPATH": str(root),
        "MLFLOW_TRACKING_URI": instance.registry_uri,
        "QUARTET_DATABASE_URL": instance.server_url,
        # without it a process that renames itself destroys the environment that the sweep reads
        "SPT_NOENV": "1",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONFIG": str(instance.run / "airflow.cfg"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": instance.database("airflow").render_as_string(hide_password=False),
        # the same database for `airflow db clean`, since Airflow hides its address from tasks
        "AIRFLOW_CONN_QUARTET_METADATA": json.dumps(_connection(instance.database("airflow"))),
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(root / "plugins"),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(instance.run / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{instance.url}/execution/",
        "AIRFLOW__API__BASE_URL": instance.url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(instance.port),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(instance.logs / "tasks"),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(instance.logs / "dags"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(instance.run / "bundles"),
        # nothing listens on these two ports; they only keep one home from asking another for its logs
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(log_server),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(log_server + 1),
    }


def _connection(url: URL) -> dict[str, Any]:
    """Return an Airflow connection to a PostgreSQL database, as Airflow reads it from JSON."""
    extra = dict(url.query)
    found = {
        "conn_type": "postgres",
        "host": url.host or extra.pop("host", None),
        "port": url.port,
        "login": url.username,
        "password": url.password,
        "schema": url.database,
        "extra": extra,
    }
    return {name: value for name, value in found.items() if value}


def defaults() -> dict[str, str]:
    """Return the settings that tune Airflow for one machine: fast starts, few processes, recovery in seconds."""
    values = {
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_SPARK_DEFAULT": '{"conn_type": "spark", "host": "local[*]"}',
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",  # by default DNS, slow on some laptops
        # As many connections as the API server has threads (40): with fewer, requests that have a connection wait for a
        # thread while the threads wait for a connection, and many calls at once end only by their time-outs.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW": "40",
        "AIRFLOW__API__INSTANCE_NAME": "Quartet",
        "AIRFLOW__API__EXPOSE_CONFIG": "False",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        # A changed file is parsed at once anyway; this is for changes of what the files read, as the file of sites.
        # Parsing all of them takes 2.5 s of processor time.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "40",
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
        # a task starts as soon as it can
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        # a task that starts before the API server answers waits for it, but not for minutes
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "15",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "5",
        # Killed components are noticed and restarted within seconds instead of minutes. The heartbeat in the database
        # is always the last but one, so heartbeats must be far more frequent than the threshold: a scheduler that is
        # late takes itself for dead and starts its running tasks a second time.
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",  # of the DAG processor
        "AIRFLOW__DAG_PROCESSOR__HEALTH_CHECK_THRESHOLD": "15",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        # nothing is sent anywhere unless QUARTET_OTEL_ENDPOINT names a collector
        "AIRFLOW__METRICS__STATSD_ON": "False",
        "AIRFLOW__METRICS__OTEL_ON": "False",
        "AIRFLOW__TRACES__OTEL_ON": "False",
        "MALLOC_ARENA_MAX": "2",  # glibc's default keeps freed memory of 8 threads a core apart
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MPLBACKEND": "Agg",
    }
    if sys.platform == "darwin":
        values["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"  # Airflow forks after Apple's libraries are loaded
    return values


def metrics(endpoint: str) -> dict[str, str]:
    """
    Return the settings that send Airflow's metrics and ours to an OpenTelemetry collector.

    Args:
        endpoint: address of the collector, such as `http://collector:4318`.
    """
    return {
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False",  # they repeat each metric under a name per DAG and task
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "2",  # seconds that a dead collector may delay the end of a task
        "OTEL_METRIC_EXPORT_INTERVAL": "15000",
        "OTEL_SERVICE_NAME": "quartet",
    }
