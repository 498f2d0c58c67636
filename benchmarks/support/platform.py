"""A separate platform for a benchmark, with a temporary home and a free port."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]


class Platform:
    """A running embedded platform."""

    def __init__(self, home: Path, port: int, variables: Mapping[str, str]) -> None:
        self.home, self.port, self.variables = home, port, variables
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=120)

    def command(self, name: str) -> None:
        """Run a command of embedded mode (`up`, `down`)."""
        line = [sys.executable, "-m", "deploy.embedded", name]
        subprocess.run(line, env=self.variables, check=True, stdout=subprocess.DEVNULL)

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON at *path*."""
        return self.http.get(path, params=query).raise_for_status().json()

    def post(self, path: str, body: Any) -> Any:
        """Send *body* as JSON."""
        return self.http.post(path, json=body).raise_for_status().json()

    def runs(self, dag_id: str, **query: Any) -> list[dict[str, Any]]:
        """Return all runs of a DAG, newest first."""
        return self.get(f"/api/v2/dags/{dag_id}/dagRuns", limit=100, order_by="-run_after", **query)["dag_runs"]

    def wait(self, check: Callable[[], Any], seconds: float = 300, every: float = 0.05) -> Any:
        """Call *check* until it returns something true; fails after *seconds*. The platform may be down meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if found := check():
                    return found
            except (httpx.TransportError, httpx.HTTPStatusError):
                pass
            time.sleep(every)
        raise TimeoutError(f"no result after {seconds} s")

    def idle(self) -> bool:
        """Check that no run is queued or running."""
        return not self.get("/api/v2/dags/~/dagRuns", state=["queued", "running"], limit=1)["total_entries"]

    def processes(self) -> list[psutil.Process]:
        """Return the processes of this platform; those of PostgreSQL hide their environment, but have a parent."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            try:
                if process.environ().get("QUARTET_HOME") == str(self.home):
                    found |= {each.pid: each for each in [process, *process.children(recursive=True)]}
            except psutil.Error:
                continue
        return list(found.values())


@contextmanager
def platform(**environment: str) -> Iterator[Platform]:
    """Start a platform, yield it, stop it and remove its home."""
    home = Path(tempfile.mkdtemp(prefix="qbench-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {**os.environ, "QUARTET_HOME": str(home), "QUARTET_PORT": str(port), **environment}
    variables["PYTHONPATH"] = str(ROOT)
    variables["QUARTET_ENV_FILE"] = str(home / "none")  # the defaults are measured
    movielens = variables.get("QUARTET_REAL_DATA", str(ROOT.parent / "shared" / "data")) + "/movielens-100k"
    if Path(movielens).is_dir():
        variables.setdefault("MOVIELENS_100K", movielens)
    running = Platform(home, port, variables)
    try:
        running.command("up")
        running.wait(lambda: running.get("/ratings/models")["champion"])
        running.wait(running.idle)
        yield running
    finally:
        running.command("down")
        shutil.rmtree(home, ignore_errors=True)
