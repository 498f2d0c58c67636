"""One platform on this machine: its folder, its address, and the mark that all its processes carry."""

import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from deploy.embedded.cluster import DATABASE, Cluster
from deploy.embedded.errors import EmbeddedError
from include.core.database.server import database_address
from include.core.settings import ROOT, PlatformSettings

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
"""Airflow's components."""
MAX_SOCKET = 90  # bytes; a socket's path may have 103 on macOS, and supervisord appends its pid while creating one


@dataclass(frozen=True)
class Instance:
    """A home and a port, and the layout of the home."""

    home: Path
    port: int
    storage_url: str
    tracking_uri: str = ""
    """Address of MLflow's server or database; empty for a database of the platform."""
    root: Path = ROOT
    otel_endpoint: str = ""
    database_url: str = ""
    """Address of a PostgreSQL server; empty for the home's own."""

    @classmethod
    def from_settings(cls, settings: PlatformSettings) -> "Instance":
        """Build the instance from checked settings."""
        return cls(
            settings.home,
            settings.port,
            settings.storage_url,
            settings.mlflow_tracking_uri,
            otel_endpoint=settings.otel_endpoint,
            database_url=settings.database_url.get_secret_value(),
        )

    @property
    def mark(self) -> str:
        """Value of `QUARTET_INSTANCE` in the environment of every process of this home."""
        return hashlib.sha256(str(self.home).encode()).hexdigest()[:16]

    @property
    def url(self) -> str:
        """Address of the web UI and the APIs."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def cluster(self) -> Cluster | None:
        """The home's own PostgreSQL; None if the databases are on another server."""
        return None if self.database_url else Cluster(self.home)

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the components, in the order of their start."""
        return (DATABASE, *COMPONENTS) if self.cluster else COMPONENTS

    @property
    def server_url(self) -> str:
        """Address of the server of the databases, with its password."""
        return self.database_url or Cluster(self.home).url

    @property
    def registry_uri(self) -> str:
        """Address of MLflow's server or database, with its password."""
        return self.tracking_uri or self.database("mlflow").render_as_string(hide_password=False)

    def database(self, name: str) -> URL:
        """Return the address of the database of `airflow`, `mlflow` or a workflow."""
        return database_address(self.server_url, name)

    @property
    def logs(self) -> Path:
        """Folder of the components' output; task logs are in `tasks` below it."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Folder of the running platform's lock, pid, socket and configuration; nothing worth keeping."""
        return self.home / "run"

    @property
    def socket(self) -> Path:
        """Supervisord's socket; it is in the temporary folder if the home's path is too long for one."""
        path = self.run / "supervisord.sock"
        if len(os.fsencode(path)) <= MAX_SOCKET:
            return path
        return Path(tempfile.gettempdir()) / f"quartet-{os.getuid()}-{self.mark}.sock"

    def make_folders(self) -> None:
        """Create the folders of the home."""
        for folder in (self.home, self.run, self.logs, self.logs / "tasks", self.home / "data"):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise EmbeddedError(
                    f"cannot create {folder}: {error.strerror}. Set QUARTET_HOME to another folder"
                ) from None

    @contextlib.contextmanager
    def lock(self, on_wait: Callable[[], None], deadline_seconds: float = 300) -> Iterator[None]:
        """
        Hold the lock that lets only one command at a time start or stop this home.

        Args:
            on_wait: called once if another command holds the lock.
            deadline_seconds: maximum time to wait for the other command.

        Raises:
            EmbeddedError: the other command did not finish in time.
        """
        self.make_folders()
        with (self.run / "lock").open("w") as file:
            deadline, waiting = time.monotonic() + deadline_seconds, False
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not waiting:
                        on_wait()
                        waiting = True
                    if time.monotonic() > deadline:
                        raise EmbeddedError(
                            f"another command has held {self.home} for {deadline_seconds:.0f} s; giving up"
                        ) from None
                    time.sleep(0.1)
            yield
