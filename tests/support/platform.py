"""The real platform, for tests: started by its own commands in a home and on a port of its own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
import pytest
from sqlalchemy import Engine

from deploy.demo.ratings.generate import movielens_like
from deploy.embedded import processes, readiness
from deploy.embedded.instance import Instance
from deploy.embedded.supervision import Component, Supervisor
from include.core.database.engine import open_engine
from include.core.settings import ROOT
from include.ratings.data import base

T = TypeVar("T")


class Platform:
    """
    One home with its platform.

    Args:
        port: port of the web UI; by default a free one.
        variables: further environment variables of its commands.

    Attributes:
        home: its `QUARTET_HOME`, below the temporary folder.
        url: address of its web UI and APIs.
        instance: home, port, mark and paths.
        client: an HTTP client whose base address is `url`.
    """

    def __init__(self, port: int | None = None, **variables: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="qt-"))
        self.instance = Instance(self.home, port or free_port(), f"file://{self.home}/data")
        self.url = self.instance.url
        self.supervisor = Supervisor(self.instance)
        self.client = readiness.client(self.instance)
        self.client.timeout = httpx.Timeout(30)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")} | {
            "QUARTET_HOME": str(self.home),
            "QUARTET_PORT": str(self.instance.port),
            "QUARTET_ENV_FILE": str(self.home / "none"),  # no `.env` leads the tests to other data
            "QUARTET_STORAGE": self.instance.storage_url,
            "PYTHONPATH": str(ROOT),
            "QUARTET_RETRY_SECONDS": "1",
            "QUARTET_TASK_RETRIES": "2",
            "SPARK_SUBMIT_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # half the time of a short job
            **variables,
        }
        if not self.environment.get("MOVIELENS_100K"):
            base.store(self.home / "data" / "ratings", movielens_like(), base.GENERATED)

    @contextmanager
    def engine(self, database: str) -> Iterator[Engine]:
        """Open an engine on one of the databases (`airflow`, `articles`)."""
        with open_engine(self.instance.database(database)) as engine:
            yield engine

    def begin(self, command: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command (`up`, `down`, `status`) with further environment *variables*, and do not wait for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.embedded", command],
            env=self.environment | variables,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str, expect: int = 0, **variables: str) -> str:
        """Run a command, check its exit code, and return what it printed."""
        process = self.begin(command, **variables)
        output, _ = process.communicate(timeout=280)
        if process.returncode != expect:
            pytest.fail(f"{command} ended with {process.returncode}, expected {expect}:\n{output}")
        return output

    def components(self) -> dict[str, Component]:
        """Return the components by name, as supervisord reports them."""
        return {each.name: each for each in self.supervisor.components()}

    def kill(self, component: str) -> int:
        """Send kill -9 to a component (`scheduler`, …) and to nothing else; return its process id."""
        pid = self.components()[component].pid
        psutil.Process(pid).kill()
        return pid

    def kill_task(self, dag_id: str, *task_ids: str) -> str | None:
        """Send kill -9 to the process of a running task, one of those given; return which."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/~/taskInstances"
        running = self.client.get(path, params={"state": "running"}).raise_for_status().json()["task_instances"]
        for task in [each for each in running if each["task_id"] in task_ids]:
            for process in self.processes().values():
                title = " ".join(process.cmdline())
                if task["id"] in title and "LocalExecutor" not in title:  # the task, not the worker that watches it
                    process.kill()
                    return task["task_id"]
        return None

    def processes(self, component: str | None = None) -> dict[int, psutil.Process]:
        """Return all processes of this home, or of one component, by id."""
        return {each.pid: each for each in processes.marked(self.instance.mark, component)}

    def healthy(self) -> bool:
        """Check that all four components are running and send heartbeats."""
        if not all(each.running for each in self.supervisor.components()):
            return False
        try:
            health = self.client.get("/api/v2/monitor/health").json()
        except (httpx.HTTPError, ValueError):
            return False
        return all(health.get(name, {}).get("status") == "healthy" for name in readiness.HEALTH)

    def remove(self, keep: bool = False) -> None:
        """Stop the platform, check that no process is left, delete the home unless it is worth a look."""
        try:
            self.run("down")
            left = [" ".join(each.cmdline()) or each.name() for each in self.processes().values()]
            assert not left, f"make down left processes behind: {left}"
        finally:
            self.client.close()
            processes.sweep(self.instance.mark)
            if not keep:
                shutil.rmtree(self.home, ignore_errors=True)


def wait_for(what: str, condition: Callable[[], T], seconds: float = 60, max_pause: float = 0.5) -> T:
    """
    Return what *condition* returns as soon as that is true; fail the test otherwise.

    Args:
        what: what is waited for, for the message of the failure.
        condition: asked again and again; a question to the platform costs it as much time as a task's start.
        seconds: maximum time to wait.
        max_pause: maximum seconds between two questions; the first ones follow each other faster.
    """
    deadline, pause = time.monotonic() + seconds, 0.05
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"within {seconds:.0f} s this did not happen: {what}")
        time.sleep(pause)
        pause = min(1.3 * pause, max_pause)
    return found


def free_port() -> int:
    """Return a port that nothing listens on, below those that the system assigns to clients."""
    for port in range(18_200 + os.getpid() % 1000, 32_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port")
