"""The platform's only Airflow plugin; it mounts the web apps on Airflow's API server.

Every component of Airflow loads this module, and so does every task. It therefore imports nothing of ours at the top:
apps and settings are loaded when the API server (or `airflow plugins`) reads them, once per process.
"""

from functools import cached_property
from importlib import import_module
from typing import Any

from airflow.plugins_manager import AirflowPlugin


class QuartetPlugin(AirflowPlugin):
    """The web app of each workflow, the check of host names, and the reference for deadlines."""

    name = "quartet"

    # Airflow reads both attributes from an instance, and needs a plain FastAPI app to run its lifespan
    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """One app per workflow, `quartet.api.<name>.app`; each guards its own routes, because Airflow does not."""
        from include.workflows import WORKFLOWS

        return [
            {
                "name": workflow.title,
                "url_prefix": f"/{workflow.name}",
                "app": import_module(f"quartet.api.{workflow.name}.app").create_app(),
            }
            for workflow in WORKFLOWS
        ]

    @cached_property
    def deadline_references(self) -> list[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """References that a run's deadline may count from."""
        from quartet.alerts.deadline import RunCreated

        return [RunCreated]

    @cached_property
    def fastapi_root_middlewares(self) -> list[dict[str, Any]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Middleware that rejects requests for unknown host names, as a guard against DNS rebinding."""
        from starlette.middleware.trustedhost import TrustedHostMiddleware

        from include.core.settings import PlatformSettings

        # Starlette compares an IPv6 address with its brackets
        hosts = [f"[{host}]" if ":" in host else host for host in PlatformSettings.load().allowed_hosts]
        return [
            {
                "name": "Allowed hosts",
                "middleware": TrustedHostMiddleware,
                "args": [],
                "kwargs": {"allowed_hosts": hosts, "www_redirect": False},
            },
        ]
