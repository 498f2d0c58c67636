"""The platform's only Airflow plugin; it mounts the web apps on Airflow's API server.

Every component of Airflow loads this module, and so does every task. It therefore imports nothing of ours at the top:
apps and settings are loaded when the API server (or `airflow plugins`) reads them, once per process.
"""

from functools import cached_property
from importlib import import_module
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PLATFORM = "/quartet"
"""Prefix of the routes that concern no single workflow."""
LOCAL_HOSTS = ("127.0.0.1", "localhost")
MAX_BODY_BYTES = 16 << 20
"""Limit of a body to Airflow's own routes; our apps have limits of their own."""
MAX_TASK_BODY_BYTES = 64 << 20
"""Limit of a body to the routes for tasks, which send results by them."""


class QuartetPlugin(AirflowPlugin):
    """The web app of each workflow, the check of host names, and the reference for deadlines."""

    name = "quartet"

    # Airflow reads both attributes from an instance, and needs a plain FastAPI app to run its lifespan
    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """An app per workflow, and the platform's; each guards its own routes, because Airflow does not."""
        from include.workflows import WORKFLOWS

        apps = [
            {
                "name": workflow.title,
                "url_prefix": f"/{workflow.name}",
                "app": import_module(f"quartet.api.{workflow.name}.app").create_app(),
            }
            for workflow in WORKFLOWS
        ]
        platform = import_module("quartet.api.quartet.app").create_app()
        platform.mount("", import_module("quartet.pages.app").create_app())  # whatever is no route of the API
        return [*apps, {"name": "Quartet", "url_prefix": PLATFORM, "app": platform}]

    # Airflow removes views that it cannot show from this list
    external_views: list[dict[str, Any]] = [  # noqa: RUF012
        {
            "name": "Quartet",
            "href": f"{PLATFORM}/",
            "destination": "nav",
            "url_route": "quartet",
            "nav_top_level": True,
        },
    ]

    @cached_property
    def deadline_references(self) -> list[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """References that a run's deadline may count from."""
        from quartet.alerts.deadline import RunCreated

        return [RunCreated]

    @cached_property
    def fastapi_root_middlewares(self) -> list[dict[str, Any]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """
        Middleware in front of the whole server, Airflow's own routes included.

        It rejects bodies that are too large, more passwords than can be checked, requests for unknown host names, as a
        guard against DNS rebinding, and, where nobody signs in, writing requests from pages of other sites.
        """
        from airflow.configuration import conf
        from starlette.middleware.trustedhost import TrustedHostMiddleware

        from include.core.settings import PlatformSettings
        from include.workflows import WORKFLOWS
        from quartet.api.common.limits import BodyLimit
        from quartet.api.common.origin import SameOrigin
        from quartet.api.common.sign_in import SignInLimit

        own = [*(f"/{workflow.name}" for workflow in WORKFLOWS), PLATFORM]
        found: list[tuple[str, Any, dict[str, Any]]] = [
            ("Sign-in limit", SignInLimit, {}),
            ("Body limit of tasks", BodyLimit, {"max_bytes": MAX_TASK_BODY_BYTES, "elsewhere": own}),
            ("Body limit", BodyLimit, {"max_bytes": MAX_BODY_BYTES, "elsewhere": [*own, "/execution"]}),
        ]
        if conf.getboolean("core", "simple_auth_manager_all_admins"):
            found.append(("Same origin", SameOrigin, {}))
        # no page elsewhere can have the name of this machine, which probes and tasks use; Starlette compares an IPv6
        # address with its brackets
        hosts = dict.fromkeys([*PlatformSettings.load().allowed_hosts, *LOCAL_HOSTS])
        names = [f"[{host}]" if ":" in host else host for host in hosts]
        found.append(("Allowed hosts", TrustedHostMiddleware, {"allowed_hosts": names, "www_redirect": False}))
        return [{"name": name, "middleware": kind, "args": [], "kwargs": kwargs} for name, kind, kwargs in found]
