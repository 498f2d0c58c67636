"""
Durable effects below one folder, counted as they pass the doors, and the fault that is injected at one of them.

The doors are the calls of the file system (below the storage port), SQL statements and commits (SQLAlchemy), commits of
Delta tables and calls of MLflow's client. They are patched for good, so only in a forked process.
"""

import builtins
import errno
import io
import os
import re
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

KILLED, POWERLESS = 137, 138
"""Exit codes of a process that was killed, and of one whose machine has lost its power."""
WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|TRUNCATE)\b", re.IGNORECASE)
DELTA = {"create", "restore", "vacuum", "create_checkpoint"}
MLFLOW = {
    "create_experiment", "create_model_version", "create_registered_model", "create_run", "delete_model_version",
    "delete_run", "log_batch", "rename_experiment", "restore_experiment", "set_model_version_tag",
    "set_registered_model_alias", "set_terminated",
}  # fmt: skip


class Fault(StrEnum):
    """What goes wrong at an effect. Killed after it is killed before the next one, or at the end of the step."""

    BEFORE = "killed before"
    ERROR = "error instead of"
    LOST = "error after"
    POWER = "power cut after"
    END = "killed after the last effect, before Airflow knows"
    POWER_END = "power cut when Airflow knows that the step is done"


FAULTS = {
    "open": (Fault.BEFORE, Fault.ERROR),
    "fsync": (Fault.BEFORE, Fault.ERROR),
    "mkdir": (Fault.ERROR,),  # a folder alone means nothing
    "rmdir": (Fault.ERROR,),
    "replace": (Fault.BEFORE, Fault.ERROR, Fault.LOST, Fault.POWER),
    "rename": (Fault.BEFORE, Fault.ERROR, Fault.LOST, Fault.POWER),
    "link": (Fault.BEFORE, Fault.ERROR, Fault.LOST, Fault.POWER),
    "unlink": (Fault.BEFORE, Fault.ERROR, Fault.LOST, Fault.POWER),
    "execute": (Fault.ERROR,),  # killed within a transaction is killed before its commit
    "commit": (Fault.BEFORE, Fault.ERROR, Fault.LOST),
    "delta": (Fault.BEFORE, Fault.ERROR, Fault.LOST),
    "mlflow": (Fault.BEFORE, Fault.ERROR, Fault.LOST),
}
"""Door → the faults that make a difference there. Of a database, power cuts are its own promise."""


@dataclass
class Effects:
    """
    The effects of a process below *root*, in their order.

    A power cut undoes what was not synchronised: content of files without `fsync`, and names in folders without it.
    """

    root: Path
    fault: Fault | None = None
    at: int = -1
    """Number of the effect with the fault."""
    seen: list[str] = field(default_factory=list)
    """Door and object of each effect."""
    _depth: int = 0
    _unsynced: set[tuple[int, int]] = field(default_factory=set)
    """Device and inode of files with content that would be lost."""
    _names: list[tuple[str, Callable[[], object]]] = field(default_factory=list)
    """Folder, and what undoes a change of names in it."""
    _writing: set[int] = field(default_factory=set)
    """Ids of database connections that have written since their last commit."""

    def perform(self, door: str, what: str, act: Callable[[], T], error: Callable[[], Exception]) -> T:
        """Let an effect happen, unless its fault is another; what it does inside is part of it."""
        if self._depth:
            return act()
        number = len(self.seen)
        self.seen.append(f"{door} {what}")
        fault = self.fault if number == self.at else None
        if fault is Fault.BEFORE:
            os._exit(KILLED)
        if fault is Fault.ERROR:
            raise error()
        self._depth += 1
        try:
            result = act()
        finally:
            self._depth -= 1
        if fault is Fault.LOST:
            raise error()
        if fault is Fault.POWER:
            self.cut_power()
        return result

    def cut_power(self) -> None:
        """End the process, with only what was synchronised left."""
        for _, undo in reversed(self._names):
            undo()
        for path in self.root.rglob("*"):
            found = path.stat(follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) in self._unsynced:
                os.truncate(path, 0)
        os._exit(POWERLESS)

    def install(self) -> None:
        """Patch all doors of the modules that are imported."""
        self._install_files()
        if "sqlalchemy" in sys.modules:
            self._install_sql()
        if "include.ratings.data.ledger" in sys.modules:
            self._install_delta()
        if "mlflow" in sys.modules:
            self._install_mlflow()

    def _install_files(self) -> None:
        originals = {name: getattr(os, name) for name in ("replace", "rename", "link", "unlink", "mkdir", "rmdir")}
        opened, synced = io.open, os.fsync

        def change(name: str) -> Callable[..., Any]:
            original = originals[name]

            @wraps(original)
            def changed(*arguments: Any, **options: Any) -> Any:
                paths = [self._below(each, options) for each in arguments[: 2 if name in TWO_PATHS else 1]]
                target = paths[-1]
                if target is None or self._depth or not _happens(name, paths):
                    return original(*arguments, **options)

                def act() -> Any:
                    undo = _undo(name, paths, originals)
                    result = original(*arguments, **options)
                    self._names.append((os.path.dirname(target), undo))
                    return result

                return self.perform(name, self._short(target), act, _io_error)

            return changed

        @wraps(opened)
        def open_file(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            path = self._below(file, {}) if isinstance(file, str | os.PathLike) else None
            if path is None or not set(mode) & set("wxa+") or path.endswith(".lock"):
                return opened(file, mode, *arguments, **options)
            is_new = not os.path.exists(path)

            def act() -> Any:
                found = opened(file, mode, *arguments, **options)
                status = os.fstat(found.fileno())
                self._unsynced.add((status.st_dev, status.st_ino))
                if is_new:
                    self._names.append((os.path.dirname(path), _quietly(lambda: originals["unlink"](path))))
                return found

            return self.perform("open", self._short(path), act, _io_error)

        @wraps(synced)
        def fsync(file: Any) -> None:
            number = file if isinstance(file, int) else file.fileno()
            path = self._below(os.readlink(f"/proc/self/fd/{number}"), {})
            if path is None:
                return synced(file)

            def act() -> None:
                status = os.fstat(number)
                if stat.S_ISDIR(status.st_mode):
                    self._names = [each for each in self._names if each[0] != path]
                else:
                    self._unsynced.discard((status.st_dev, status.st_ino))

            def error() -> OSError:
                if stat.S_ISREG(os.fstat(number).st_mode):
                    os.truncate(path, 0)  # Linux drops what it could not write
                return _io_error()

            return self.perform("fsync", self._short(path), act, error)

        for name in originals:
            setattr(os, name, change(name))
        os.remove, os.fsync = os.unlink, fsync
        io.open = builtins.open = open_file

    def _install_sql(self) -> None:
        from sqlalchemy.engine.default import DefaultDialect

        def execute(name: str) -> None:
            original = getattr(DefaultDialect, name)

            def executed(dialect: Any, cursor: Any, statement: str, *arguments: Any, **options: Any) -> Any:
                def act() -> Any:
                    return original(dialect, cursor, statement, *arguments, **options)

                if self._depth or not WRITES.match(statement):
                    return act()
                self._writing.add(id(cursor.connection))
                return self.perform("execute", " ".join(statement.split()[:4]), act, lambda: _lost(dialect))

            setattr(DefaultDialect, name, executed)

        for name in ("do_execute", "do_executemany", "do_execute_no_params"):
            execute(name)
        committed = DefaultDialect.do_commit

        def commit(dialect: Any, connection: Any) -> None:
            written = getattr(connection, "driver_connection", connection)
            if self._depth or id(written) not in self._writing:
                return committed(dialect, connection)
            self._writing.discard(id(written))
            return self.perform("commit", "", lambda: committed(dialect, connection), lambda: _lost(dialect))

        DefaultDialect.do_commit = commit

    def _install_delta(self) -> None:
        from deltalake import DeltaTable
        from deltalake.table import TableOptimizer

        from include.ratings.data import ledger

        self._wrap(ledger, "write_deltalake", "delta", _io_error)
        self._wrap(TableOptimizer, "compact", "delta", _io_error)
        for name in DELTA:
            self._wrap(DeltaTable, name, "delta", _io_error)

    def _install_mlflow(self) -> None:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        for name in MLFLOW:
            self._wrap(MlflowClient, name, "mlflow", lambda: MlflowException("connection to the server was lost"))

    def _wrap(self, owner: Any, name: str, door: str, error: Callable[[], Exception]) -> None:
        original = getattr(owner, name)

        @wraps(original)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            return self.perform(door, name, lambda: original(*arguments, **options), error)

        setattr(owner, name, wrapped)

    def _below(self, path: Any, options: dict[str, Any]) -> str | None:
        """Return the absolute path, if it is below the root."""
        path = os.fsdecode(path)
        folder = options.get("dir_fd")
        if folder is not None:
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
        path = os.path.abspath(path)
        return path if path == str(self.root) or path.startswith(f"{self.root}/") else None

    def _short(self, path: str) -> str:
        return re.sub(r"[0-9a-f]{32}", "#", os.path.relpath(path, self.root))


TWO_PATHS = {"replace", "rename", "link"}


def _happens(name: str, paths: list[str | None]) -> bool:
    """Return whether a call changes anything; one that fails anyway is no effect."""
    path = paths[0] or ""
    if name == "mkdir":
        return not os.path.lexists(path) and os.path.isdir(os.path.dirname(path))
    return os.path.lexists(path)


def _undo(name: str, paths: list[str | None], originals: dict[str, Callable[..., Any]]) -> Callable[[], object]:
    """Return what takes a change of names back, before it happens."""
    source, target = paths[0] or "", paths[-1] or ""
    before = _content(target)

    def undo() -> None:
        if name in ("replace", "rename"):
            originals["replace"](target, source)
        elif name == "link":
            originals["unlink"](target)
        elif name == "mkdir":
            originals["rmdir"](target)
        elif name == "rmdir":
            originals["mkdir"](target)
        if before is not None:
            file = os.open(target, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)  # not `open`, which is patched
            os.write(file, before)
            os.close(file)

    return _quietly(undo)


def _quietly(undo: Callable[[], object]) -> Callable[[], object]:
    def quiet() -> None:
        with suppress(OSError):  # another change that was taken back has taken this one with it
            undo()

    return quiet


def _content(path: str) -> bytes | None:
    return Path(path).read_bytes() if os.path.isfile(path) else None


def _io_error() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO))


def _lost(dialect: Any) -> Exception:
    return dialect.loaded_dbapi.OperationalError("disk I/O error")
