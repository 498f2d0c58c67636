"""Airflow's real API server with FAB as its auth manager, in processes of its own.

Airflow's settings are global to a process, and those of the tests beside this one are others. So the database is made
by one process (`prepare`, as production does it) and served by a second one, `airflow api-server`.
"""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]

JWT_SECRET = "secret" * 12
ADMIN, SERVICE = "boss", "tasks"
ROLES = {
    # user: role
    ADMIN: "Admin",
    SERVICE: "Quartet service",
    "op": "Op",
    "user": "User",
    "viewer": "Viewer",
    "nobody": "Public",
    "listener": "Songs only",
    "trainer": "Trains only",
    "changer": "Viewer",
    "leaver": "User",
    "former": "User",
}
LOCKED = "former"
ACCESS: dict[str, dict[str, dict[str, set[str]]]] = {
    # DAG: what a role without rights of its own may do to it
    "song_plays": {"Songs only": {"DAGs": {"can_read"}}},
    "ratings_train": {"Trains only": {"DAGs": {"can_read", "can_edit"}, "DAG Runs": {"can_create"}}},
}
DAG = """
from airflow.sdk import dag, task

@dag(schedule=None, access_control={access})
def {name}():
    @task
    def wait() -> None: ...

    wait()

{name}()
"""


def password(user: str) -> str:
    """Return the password of a user."""
    return f"{user}: horse battery staple"


class FabServer:
    """
    A running API server.

    Attributes:
        url: its address.
        home: the folder of its database, data and log.
        client: an HTTP client whose base address is `url`.
    """

    def __init__(self, home: Path, dags: list[str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.home, self.url = home, f"http://127.0.0.1:{port}"
        (home / "dags").mkdir()
        for name in dags:
            (home / "dags" / f"{name}.py").write_text(DAG.format(name=name, access=ACCESS.get(name)))
        self.environment = self._environment()
        self._run([sys.executable, "-m", "tests.support.fab_server"])
        airflow = str(Path(sys.executable).with_name("airflow"))
        with (home / "server.log").open("w") as log:
            self.process = subprocess.Popen(
                [airflow, "api-server", "--host", "127.0.0.1", "--port", str(port), "--proxy-headers"],
                env=self.environment,
                cwd=home,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.client = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        self.token = cache(self._token)

    def wait(self, seconds: float = 120) -> None:
        """Wait until the server answers; say what it logged if it does not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.client.get("/api/v2/monitor/health").raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.2)
            else:
                return
        raise AssertionError(f"the API server did not start:\n{(self.home / 'server.log').read_text()}")

    def stop(self) -> None:
        """Stop the server."""
        self.client.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def login(self, user: str, secret: str | None = None) -> httpx.Response:
        """Request a token."""
        given = password(user) if secret is None else secret
        return self.client.post("/auth/token", json={"username": user, "password": given})

    def as_user(self, user: str) -> dict[str, str]:
        """Return the headers of a user's requests."""
        return {"Authorization": f"Bearer {self.token(user)}"}

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send a request without cookies."""
        self.client.cookies.clear()
        return self.client.request(method, url, **options)

    def browser(self, address: str, **headers: str) -> httpx.Client:
        """Return a client with its own cookies that connects from an *address*, through a proxy on this machine."""
        forwarded = {"X-Forwarded-For": address, **headers}
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False, headers=forwarded)

    def lock(self, user: str) -> None:
        """Lock a user, as the box *Is Active?* of the user's page does."""
        with closing(sqlite3.connect(self.home / "airflow.db", timeout=30)) as database, database:
            database.execute("UPDATE ab_user SET active = 0 WHERE username = ?", (user,))

    def _token(self, user: str) -> str:
        return self.login(user).raise_for_status().json()["access_token"]

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"

    def _environment(self) -> dict[str, str]:
        home = self.home
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW_", "ARTICLE", "QUARTET_"))
        }
        return inherited | {
            "PYTHONPATH": str(ROOT),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": "cookies" * 9,
            "AIRFLOW__API_AUTH__JWT_SECRET": JWT_SECRET,
            "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__FERNET_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__FAB__CACHE_TTL": "1",
            "AIRFLOW__FAB__CONFIG_FILE": str(ROOT / "deploy" / "production" / "webserver_config.py"),
            "AIRFLOW_CONN_QUARTET_API": json.dumps(
                {"conn_type": "http", "login": SERVICE, "password": password(SERVICE)}
            ),
            "QUARTET_ADMIN_USER": ADMIN,
            "QUARTET_ADMIN_PASSWORD": password(ADMIN),
            "QUARTET_HOME": str(home / "quartet"),
        }


def prepare(home: Path) -> None:
    """Create Airflow's database with its DAGs and users, and an article database with one recommendation."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.utils.db import initdb
    from sqlalchemy import URL

    from deploy.production import users
    from include.articles.database import schema
    from include.core.database.engine import open_engine
    from tests.support.serving_rows import Rows

    initdb()
    with users.security_manager() as security:
        users.ensure_admin(security)
        users.ensure_service_user(security)
        for user, role in ROLES.items():
            if user not in (ADMIN, SERVICE):
                made = security.add_user(user, user, user, f"{user}@localhost", security.add_role(role), password(user))
                made.active = user != LOCKED
                assert security.update_user(made)
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(DagBag(home / "dags", bundle_path=home / "dags"), "dags-folder", None)
    with open_engine(URL.create("sqlite", database=str(home / "quartet" / "data" / "articles.db"))) as engine:
        schema.upgrade(engine)
        rows = Rows(engine)
        rows.recommend(rows.model("popularity", id=1), "default", [rows.article("1")])


if __name__ == "__main__":
    prepare(Path(os.environ["AIRFLOW_HOME"]))
