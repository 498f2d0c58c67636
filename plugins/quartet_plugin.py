"""The only Airflow plugin of the platform: it mounts the web apps on Airflow's API server.

Every component of Airflow loads this module, each task too. So it imports nothing of ours at its top: apps and settings
are read when the API server (or `airflow plugins`) asks for them, once per process.
"""

from functools import cached_property
from importlib import import_module
from typing import Any

from airflow.plugins_manager import AirflowPlugin


class QuartetPlugin(AirflowPlugin):
    """The web app of each workflow, the guard of the whole server, and the reference that deadlines count from."""

    name = "quartet"

    # Airflow reads both attributes from an instance, and asks for a plain FastAPI app to run its lifespan
    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """One app per workflow, `quartet.api.<name>.app`; each guards its own routes, Airflow does not."""
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
        """The references that a run's deadline may count from."""
        from quartet.alerts.deadline import RunCreated

        return [RunCreated]

    @cached_property
    def fastapi_root_middlewares(self) -> list[dict[str, Any]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Refuse requests for host names that are not ours, so that no web page can reach in by DNS rebinding."""
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
