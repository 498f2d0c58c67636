"""The stack of docker-compose.yaml, for tests and measurements: a copy of the checkout, own ports and volumes."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from deploy.compose import env
from include.core.settings import ROOT

T = TypeVar("T")
STARTING_SECONDS = 900
REFUSALS = (400, 401, 403, 422)
"""Answers that stay the same; 404 may be that of a DAG that is not parsed yet."""


class Stack:
    """
    One project of Docker Compose.

    Attributes:
        folder: a copy of the files that git tracks, with a `.env` of its own.
        url: address of the web UI and the APIs.
        http: client whose base address is `url`, with the administrator's token once `sign_in` was called.
    """

    def __init__(self, s3: bool = False, **settings: str) -> None:
        self.project = f"quartet-{uuid.uuid4().hex[:8]}"
        self.folder = Path(tempfile.mkdtemp(prefix="qc-"))
        names = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        for name in filter(None, names.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.folder / name)
        self.settings = {"QUARTET_PORT": str(free_port()), "QUARTET_MLFLOW_PORT": str(free_port()), **settings}
        lines = "".join(f"{name}={value}\n" for name, value in self.settings.items())
        (self.folder / ".env").write_text((self.folder / ".env.example").read_text() + lines)
        env.main(["--s3"] if s3 else [], self.folder)
        self.url = f"http://127.0.0.1:{self.settings['QUARTET_PORT']}"
        self.http = httpx.Client(base_url=self.url, timeout=60)

    def secret(self, name: str) -> str:
        """Return a value of the `.env`."""
        lines = (self.folder / ".env").read_text().splitlines()
        return next(line.partition("=")[2] for line in reversed(lines) if line.startswith(f"{name}="))

    def compose(self, *arguments: str, check: bool = True, seconds: float = STARTING_SECONDS) -> str:
        """Run `docker compose …`; give what it printed, and fail with that when it fails."""
        return self._run(["docker", "compose", "--progress", "plain", *arguments], check, seconds)

    def shell(self, commands: str) -> str:
        """Run commands in the folder of the stack, up to the first that fails."""
        return self._run(["bash", "-euo", "pipefail", "-c", commands], True, STARTING_SECONDS)

    def _run(self, line: list[str], check: bool, seconds: float) -> str:
        foreign = ("QUARTET_", "COMPOSE_", "AIRFLOW_", "MOVIELENS_")
        own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        done = subprocess.run(
            line,
            cwd=self.folder,
            env={**own, "COMPOSE_PROJECT_NAME": self.project},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(line)} ended with {done.returncode}:\n{done.stdout[-6000:]}")
        return done.stdout

    def up(self, *arguments: str) -> float:
        """Start what does not run and wait until all is healthy; give the seconds that it took."""
        began = time.monotonic()
        self.compose("up", "--detach", "--wait", "--pull", "never", *arguments)
        return time.monotonic() - began

    def down(self, *, volumes: bool = False) -> None:
        """Stop and remove all containers; with *volumes* the data too."""
        self.compose("down", "--timeout", "20", "--remove-orphans", *(["--volumes"] if volumes else []))

    def remove(self) -> None:
        """Remove everything of this project."""
        self.http.close()
        self.down(volumes=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def containers(self) -> list[dict[str, Any]]:
        """List the containers that run: `Service`, `Name`, `State`, `Health` and others."""
        return [
            json.loads(line) for line in self.compose("ps", "--format", "json").splitlines() if line.startswith("{")
        ]

    def kill(self, service: str) -> bool:
        """Kill -9 the first process of a service's container, as a crash does; `False`: there is none now."""
        names = [each["Name"] for each in self.containers() if each["Service"] == service]
        if not names:
            return False
        shown = subprocess.run(
            ["docker", "inspect", "--format", "{{.State.Pid}}", names[0]], capture_output=True, text=True
        )
        pid = int(shown.stdout.strip() or 0)
        if pid:
            os.kill(pid, signal.SIGKILL)
        return bool(pid)

    def megabytes(self) -> dict[str, float]:
        """Return container → memory in MB."""
        names = [each["Name"] for each in self.containers()]
        line = ["docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", *names]
        found = {}
        for row in subprocess.run(line, check=True, capture_output=True, text=True).stdout.splitlines():
            name, used = row.split(" ")[:2]
            number = used.rstrip("GMKiB")
            found[name] = float(number) * {"G": 1024, "M": 1, "K": 1 / 1024}[used[len(number)]]
        return found

    def sign_in(self) -> None:
        """Have `http` come as the administrator."""
        login = {"username": "admin", "password": self.secret("QUARTET_ADMIN_PASSWORD")}
        reply = self.wait(lambda: self.http.post("/auth/token", json=login).raise_for_status(), 120, "a token")
        self.http.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON at *path*; retried while the platform is down."""
        return self.wait(lambda: self.http.get(path, params=query).raise_for_status(), 120, path).json()

    def post(self, path: str, body: Any) -> Any:
        """Send *body* as JSON; asked again while the platform is away, so for requests that may come twice."""
        return self.wait(lambda: self.http.post(path, json=body).raise_for_status(), 120, path).json()

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run, once however often it is asked; give its path in Airflow's API."""
        runs, run_id = f"/api/v2/dags/{dag_id}/dagRuns", f"test__{uuid.uuid4().hex}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}

        def started() -> bool:
            reply = self.http.post(runs, json=body)
            return reply.status_code == httpx.codes.CONFLICT or bool(reply.raise_for_status())

        self.wait(started, 120, f"the start of {dag_id}")
        return f"{runs}/{run_id}"

    def state(self, run: str) -> str:
        """Return the state of a run."""
        return self.get(run)["state"]

    def finished(self, run: str, seconds: float = 600) -> None:
        """Wait until a run has ended well."""

        def ended() -> str | None:
            state = self.state(run)
            return state if state in ("success", "failed") else None

        if (state := self.wait(ended, seconds, f"the end of {run}")) != "success":
            tasks = self.get(f"{run}/taskInstances")["task_instances"]
            raise AssertionError(f"{run} ended as {state}: {[(each['task_id'], each['state']) for each in tasks]}")

    def wait(self, look: Callable[[], T | None], seconds: float, what: str) -> T:
        """Wait until there is a result; the platform may be down meanwhile."""
        deadline, last = time.monotonic() + seconds, ""
        while time.monotonic() < deadline:
            try:
                if found := look():
                    return found
            except (httpx.TransportError, httpx.HTTPStatusError) as error:
                if isinstance(error, httpx.HTTPStatusError) and error.response.status_code in REFUSALS:
                    raise
                last = f"; last: {error}"
            time.sleep(0.25)
        raise AssertionError(f"{what}: nothing after {seconds:.0f} s{last}")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
