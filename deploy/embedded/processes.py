"""Processes of an instance, found by the mark in their environment.

A process group is not enough: Airflow's tasks create their own groups, and LocalExecutor's workers outlive a scheduler
that was killed.
"""

import os
import time
from collections.abc import Iterator, Sequence

import psutil

GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError)


def marked(mark: str, component: str | None = None) -> list[psutil.Process]:
    """
    Return the processes of an instance and their descendants, except this process and its ancestors.

    Args:
        mark: value of `QUARTET_INSTANCE`.
        component: value of `QUARTET_COMPONENT`; None for all components.
    """
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = {}
    for process in _own():
        try:
            environment = process.environ()
            if environment.get("QUARTET_INSTANCE") != mark:
                continue
            if component in (None, environment.get("QUARTET_COMPONENT")):
                found[process.pid] = process
        except GONE:
            continue
    return [process for pid, process in found.items() if pid not in spared]


def end(processes: Sequence[psutil.Process], patience_seconds: float = 5) -> list[psutil.Process]:
    """Send TERM, then KILL to those left after *patience_seconds*; return the processes that did not exit."""
    for process in processes:
        _signal(process, "terminate")
    _, left = psutil.wait_procs(processes, timeout=patience_seconds)
    for process in left:
        _signal(process, "kill")
    _, left = psutil.wait_procs(left, timeout=5)
    return [process for process in left if _alive(process)]


def sweep(mark: str, component: str | None = None, patience_seconds: float = 5, rounds: int = 5) -> int:
    """
    End all processes of an instance, and those that they start meanwhile.

    Returns:
        The number of processes.

    Raises:
        TimeoutError: some did not exit; the message has their process ids.
    """
    ended: set[int] = set()
    for _ in range(rounds):
        victims = marked(mark, component)
        if not victims:
            return len(ended)
        ended |= {process.pid for process in victims}
        end(victims, patience_seconds)
        patience_seconds = 0.5
    left = [process.pid for process in marked(mark, component)]
    if left:
        raise TimeoutError(f"these processes did not exit: {' '.join(map(str, left))}")
    return len(ended)


def listener(port: int) -> str | None:
    """Return a description of the program that listens on *port*, as far as this user may see it."""
    for process in _own():
        try:
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    home = process.environ().get("QUARTET_HOME")
                    name = f"the platform of {home}" if home else process.name()
                    return f"{name}, process {process.pid}"
        except GONE:
            continue
    return None


def wait_for_exit(pid: int, seconds: float) -> bool:
    """Wait up to *seconds* for process *pid* to exit; return whether it did."""
    deadline = time.monotonic() + seconds
    while psutil.pid_exists(pid):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _own() -> Iterator[psutil.Process]:
    uid = os.getuid()
    for process in psutil.process_iter():
        try:
            if uid in (0, process.uids().real) and _alive(process):
                yield process
        except GONE:
            continue


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except GONE:
        return False


def _signal(process: psutil.Process, method: str) -> None:
    try:
        getattr(process, method)()
    except GONE:
        return
