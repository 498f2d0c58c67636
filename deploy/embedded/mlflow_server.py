"""MLflow's web UI on the platform's registry."""

import os
import sys

from rich.console import Console

from deploy.embedded import port
from deploy.embedded.environment import defaults
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.instance import Instance


def serve(instance: Instance, on_port: int, console: Console) -> None:
    """
    Replace this process with MLflow's server, until it is interrupted.

    Raises:
        EmbeddedError: the registry's database is down, or the port is taken.
    """
    if instance.registry_uri.startswith(("http://", "https://")):
        console.print(f"MLflow has its own server: {instance.registry_uri}", highlight=False)
        return
    if not instance.tracking_uri and instance.cluster and not instance.cluster.answers():
        raise EmbeddedError("MLflow's database is on the platform's PostgreSQL, which is down. Start it with make up")
    port.require_free(on_port, command="make mlflow", variable="QUARTET_MLFLOW_PORT")
    console.print(f"MLflow: [bold]http://127.0.0.1:{on_port}[/bold]   (stop with Ctrl-C)")
    line = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(on_port), "--workers", "1"]
    line += ["--default-artifact-root", f"{instance.storage_url}/mlflow"]
    # an address may have a password, which everybody could read on the command line
    own = {"MLFLOW_BACKEND_STORE_URI": instance.registry_uri, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    os.execve(sys.executable, line, {**defaults(), **os.environ, **own})
