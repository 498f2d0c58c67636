"""HTTP client of a running platform."""

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

T = TypeVar("T")


class DemoError(Exception):
    """A result is not as expected, or did not arrive in time."""


class Platform:
    """
    The platform at an address.

    `QUARTET_URL` sets the address (default: this machine, `QUARTET_PORT`), `QUARTET_PUBLIC_URL` the one for users if
    it differs, and `QUARTET_TOKEN` an access token if one is needed.
    """

    def __init__(self, url: str) -> None:
        self.url = os.environ.get("QUARTET_URL", url).rstrip("/")
        self.is_remote = "QUARTET_URL" in os.environ
        self.public_url = os.environ.get("QUARTET_PUBLIC_URL", self.url).rstrip("/")
        token = os.environ.get("QUARTET_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON at *path*; raises `DemoError` with the platform's answer if there is none."""
        return self._checked(self._http.get(path, params=query))

    def find(self, path: str, **query: Any) -> Any | None:
        """Return the JSON at *path*, or `None` if it does not exist (yet); raises `DemoError` like `get`."""
        response = self._http.get(path, params=query)
        return None if response.status_code == httpx.codes.NOT_FOUND else self._checked(response)

    def post(self, path: str, body: Any) -> Any:
        """Send *body* as JSON; raises `DemoError` like `get`."""
        return self._checked(self._http.post(path, json=body))

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> str:
        """Start a run of a DAG and return its path in Airflow's API; raises `DemoError` like `get`."""
        runs = f"/api/v2/dags/{dag_id}/dagRuns"
        self.post(runs, {"dag_run_id": run_id, "logical_date": None, "conf": conf})
        return f"{runs}/{quote(run_id)}"

    def _checked(self, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json()
        request = response.request
        raise DemoError(f"{request.method} {request.url} answered {response.status_code}: {response.text[:300]}")

    def wait(self, check: Callable[[], T | None], seconds: float, what: str) -> T:
        """
        Call *check* until it returns something true, and return that.

        Raises:
            DemoError: there was no result within *seconds*; the message names *what* was waited for.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := check():
                return found
            time.sleep(0.2)
        raise DemoError(f"{what}: no result after {seconds:.0f} s; see {self.url} and the logs (make status)")
