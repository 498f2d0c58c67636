"""One platform on this machine: its folder, its address, and the mark all of its processes carry."""

import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.errors import EmbeddedError
from include.core.settings import ROOT, PlatformSettings

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
MAX_SOCKET = 90  # a socket's path may have 103 bytes on macOS; supervisord appends its pid while it makes one


@dataclass(frozen=True)
class Instance:
    """A home and a port, and where things lie below that home."""

    home: Path
    port: int
    storage_url: str
    registry_uri: str
    root: Path = ROOT
    otel_endpoint: str = ""

    @classmethod
    def from_settings(cls, settings: PlatformSettings) -> "Instance":
        """Take home, port, storage and collector from the checked settings."""
        return cls(
            settings.home,
            settings.port,
            settings.storage_url,
            settings.registry_uri,
            otel_endpoint=settings.otel_endpoint,
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
    def airflow_db(self) -> Path:
        """Airflow's metadata database."""
        return self.home / "airflow.db"

    @property
    def logs(self) -> Path:
        """The components' output; task logs are in `tasks` below."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Lock, pid, socket and configuration of the running platform; nothing worth keeping."""
        return self.home / "run"

    @property
    def socket(self) -> Path:
        """Supervisord's socket; in the temporary folder when the home's path is too long for one."""
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
                    f"cannot create {folder}: {error.strerror}. QUARTET_HOME names another folder"
                ) from None

    @contextlib.contextmanager
    def lock(self, on_wait: Callable[[], None], deadline_seconds: float = 300) -> Iterator[None]:
        """
        Let only one command at a time start or stop this home.

        Args:
            on_wait: called once if another command holds the lock.
            deadline_seconds: how long to wait for the other one.

        Raises:
            EmbeddedError: the other one did not finish in time.
        """
        self.make_folders()
        with (self.run / "lock").open("w") as file:
            deadline, told = time.monotonic() + deadline_seconds, False
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not told:
                        on_wait()
                        told = True
                    if time.monotonic() > deadline:
                        raise EmbeddedError(
                            f"another command has worked on {self.home} for {deadline_seconds:.0f} s; giving up"
                        ) from None
                    time.sleep(0.1)
            yield
