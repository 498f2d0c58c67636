"""A running platform as its users reach it: over HTTP."""

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

T = TypeVar("T")


class DemoError(Exception):
    """A result is not what it has to be, or did not come in time."""


class Platform:
    """
    The platform at an address.

    `QUARTET_URL` names it (default: this machine, `QUARTET_PORT`), `QUARTET_PUBLIC_URL` as people reach it if that is
    another name; `QUARTET_TOKEN` is an access token if one is needed.
    """

    def __init__(self, url: str) -> None:
        self.url = os.environ.get("QUARTET_URL", url).rstrip("/")
        self.is_elsewhere = "QUARTET_URL" in os.environ
        self.public_url = os.environ.get("QUARTET_PUBLIC_URL", self.url).rstrip("/")
        token = os.environ.get("QUARTET_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def get(self, path: str, **query: Any) -> Any:
        """Give the JSON at *path*; raises `DemoError` with what the platform said instead."""
        return self._checked(self._http.get(path, params=query))

    def find(self, path: str, **query: Any) -> Any | None:
        """Give the JSON at *path*, or `None` if it is not there (yet); raises `DemoError` like `get`."""
        response = self._http.get(path, params=query)
        return None if response.status_code == httpx.codes.NOT_FOUND else self._checked(response)

    def post(self, path: str, body: Any) -> Any:
        """Send *body* as JSON; raises `DemoError` like `get`."""
        return self._checked(self._http.post(path, json=body))

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> str:
        """
        Start a run of a DAG, and give its path in Airflow's API; raises `DemoError` like `get`.

        Airflow on SQLite may be too busy for a moment (500, 503). Asked again it refuses a name that it has (409).
        """
        runs = f"/api/v2/dags/{dag_id}/dagRuns"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}

        def answered() -> httpx.Response | None:
            response = self._http.post(runs, json=body)
            return None if response.is_server_error else response

        response = self.wait(answered, 30, f"the start of {dag_id}")
        if response.status_code != httpx.codes.CONFLICT:
            self._checked(response)
        return f"{runs}/{quote(run_id)}"

    def _checked(self, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json()
        request = response.request
        raise DemoError(f"{request.method} {request.url} answered {response.status_code}: {response.text[:300]}")

    def wait(self, look: Callable[[], T | None], seconds: float, what: str) -> T:
        """
        Look until there is something.

        Raises:
            DemoError: there was nothing within *seconds*; it says what was waited for and where to look.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := look():
                return found
            time.sleep(0.2)
        raise DemoError(f"{what}: nothing after {seconds:.0f} s; look at {self.url} and into the logs (make status)")
