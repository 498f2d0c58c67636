"""The only Airflow plugin of the platform: it mounts the web apps on Airflow's API server.

Every component of Airflow loads this module, each task too. So it imports nothing of ours: the apps and settings are
made when the API server (or `airflow plugins`) asks for them, once for each process.
"""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin


class QuartetPlugin(AirflowPlugin):
    """The web apps of the workflows, what guards the whole server, and what deadlines count from."""

    name = "quartet"

    # Airflow reads both attributes from an instance, and asks for a plain FastAPI app to run its lifespan
    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """One app a workflow; each guards its own routes, Airflow does not."""
        from quartet.api import articles, audience, ratings, songs

        return [
            {"name": "Movie ratings", "url_prefix": "/ratings", "app": ratings.create_app()},
            {"name": "Audience labeling", "url_prefix": "/audience", "app": audience.create_app()},
            {"name": "Article recommendations", "url_prefix": "/articles", "app": articles.create_app()},
            {"name": "Song plays", "url_prefix": "/songs", "app": songs.create_app()},
        ]

    @cached_property
    def deadline_references(self) -> list[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """From when on a run's time is counted."""
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
