"""Supervisord: one for each home, running the components and reached over a socket in the home."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.embedded import processes
from deploy.embedded.cluster import DATABASE
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.instance import COMPONENTS, Instance

STOP_SECONDS = 15  # from TERM to KILL
UNREACHABLE = (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError)

HEAD = """\
[supervisord]
nodaemon = true
silent = true
directory = %(ENV_QUARTET_HOME)s
logfile = %(ENV_QUARTET_HOME)s/logs/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 2
pidfile = %(ENV_QUARTET_HOME)s/run/supervisord.pid

[unix_http_server]
file = %(ENV_QUARTET_SOCKET)s
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

PROGRAM = """
[program:{name}]
command = "%(ENV_QUARTET_PYTHON)s" -P -m deploy.embedded.component {name}
environment = QUARTET_COMPONENT="{name}"
directory = %(ENV_QUARTET_HOME)s
autorestart = true
startretries = 20
killasgroup = true
stopwaitsecs = {stop_seconds}
redirect_stderr = true
stdout_logfile = %(ENV_QUARTET_HOME)s/logs/{name}.log
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 3
"""

AIRFLOW = """\
autostart = false
startsecs = 10
stopasgroup = true
"""
"""Airflow starts when its database is migrated."""
POSTGRES = """\
priority = 1
startsecs = 1
stopsignal = INT
"""
"""PostgreSQL starts first and stops last; the signal closes the connections."""


@dataclass(frozen=True)
class Component:
    """State of a component in supervisord; `pid` is 0 and `since` meaningless while it is not running."""

    name: str
    state: str
    pid: int
    since: float

    @property
    def running(self) -> bool:
        """Whether there is a process, just started or established."""
        return self.state in ("STARTING", "RUNNING")


def configuration(components: Sequence[str]) -> str:
    """
    Build supervisord's configuration.

    It contains no paths and no keys, since both come from the environment: special characters in a path cannot break
    it, and it is not secret.
    """
    return HEAD + "".join(
        PROGRAM.format(name=name, stop_seconds=STOP_SECONDS) + (POSTGRES if name == DATABASE else AIRFLOW)
        for name in components
    )


class Supervisor:
    """Starts, queries and stops the supervisord of one home."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    @property
    def output(self) -> Path:
        """Output of supervisord before it opens its log."""
        return self.instance.logs / "supervisord.out"

    def pid(self) -> int | None:
        """Return supervisord's process id; None if it does not answer."""
        try:
            return int(self._call("getPID"))
        except UNREACHABLE:
            return None

    def start(self, environment: Mapping[str, str]) -> int:
        """
        Start supervisord, which starts the database; `start_airflow` starts the other components.

        Args:
            environment: environment of supervisord and all components.

        Returns:
            The process id.

        Raises:
            EmbeddedError: supervisord did not start; the message has the end of its output.
        """
        config = self.instance.run / "supervisord.conf"
        partial = config.with_suffix(".partial")
        partial.write_text(configuration(self.instance.components))
        partial.replace(config)
        self.instance.socket.unlink(missing_ok=True)
        with self.output.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(config)],
                env={**environment, "QUARTET_SOCKET": str(self.instance.socket)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 20
        while self.pid() != process.pid:
            if process.poll() is not None or time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                raise EmbeddedError(f"supervisord did not start: {self.output.read_text().strip()[-2000:]}")
            time.sleep(0.05)
        return process.pid

    def start_airflow(self) -> None:
        """Start Airflow's components."""
        for name in COMPONENTS:
            self._call("startProcess", name, False)

    def airflow_runs(self) -> bool:
        """Check whether any of Airflow's components runs or is starting."""
        return any(each.running for each in self.components() if each.name in COMPONENTS)

    def components(self) -> list[Component]:
        """Return the state of each component."""
        rows = {row["name"]: row for row in self._call("getAllProcessInfo")}
        return [
            Component(name, row["statename"], int(row["pid"]), float(row["start"]))
            for name in (DATABASE, *COMPONENTS)
            if (row := rows.get(name))
        ]

    def revive(self, *names: str) -> list[str]:
        """Start those of the components *names* that supervisord gave up or that were stopped; return their names."""
        ended = ("STOPPED", "EXITED", "FATAL", "UNKNOWN")
        revived = [each.name for each in self.components() if each.name in names and each.state in ended]
        for name in revived:
            with contextlib.suppress(xmlrpc.client.Fault):  # it has started by itself meanwhile
                self._call("startProcess", name, False)
        return revived

    def stop(self) -> bool:
        """
        Stop the components, then supervisord. The API server, to which tasks report, and the database are stopped last.

        Returns:
            False if supervisord does not answer.
        """
        pid = self.pid()
        if pid is None:
            return False
        with contextlib.suppress(*UNREACHABLE, xmlrpc.client.Fault):
            for name in reversed(COMPONENTS[1:]):
                with contextlib.suppress(xmlrpc.client.Fault):  # it is not running
                    self._call("stopProcess", name, False)
            deadline = time.monotonic() + STOP_SECONDS + 5
            while any(each.pid for each in self.components() if each.name in COMPONENTS[1:]):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
            self._call("shutdown")
        if not processes.wait_for_exit(pid, STOP_SECONDS + 10):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return True

    def restarts(self) -> dict[str, int]:
        """Return how often each component has died since supervisord started, from supervisord's log."""
        log = self.instance.logs / "supervisord.log"
        text = log.read_text(errors="replace") if log.exists() else ""
        lines = text.rpartition("supervisord started with pid")[2].splitlines()
        return {name: sum(f"exited: {name} " in line for line in lines) for name in (DATABASE, *COMPONENTS)}

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = _UnixTransport(self.instance.socket)
        with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket that belongs to this user."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self) -> None:
        if self.path.stat().st_uid != os.getuid():
            raise PermissionError(f"{self.path} belongs to another user")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self.path))
        except OSError:
            self.close()
            raise


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _UnixConnection(self.path)
        self._connection = host, connection  # `close` reads it from here
        return connection
