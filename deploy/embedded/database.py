"""Creation and migration of Airflow's and MLflow's SQLite databases before anything uses them.

A database is created or migrated in a copy beside it, which is renamed when it is complete. The version of the software
is stamped into the database (`PRAGMA user_version`), so that another version migrates it again, once.
"""

import contextlib
import os
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.instance import Instance

PACKAGES = {"airflow": ("apache-airflow-core", "apache-airflow-providers-fab"), "mlflow": ("mlflow",)}


def paths(instance: Instance) -> dict[str, Path]:
    """Return the databases that embedded mode manages; MLflow's only where no setting places it elsewhere."""
    found = {"airflow": instance.airflow_db}
    mlflow = instance.home / "mlflow.db"
    if instance.registry_uri == f"sqlite:///{mlflow}":
        found["mlflow"] = mlflow
    return found


def outdated(instance: Instance) -> list[str]:
    """
    Return the names of the databases that are missing or were last migrated by another version of the software.

    Raises:
        EmbeddedError: a file is not a database.
    """
    return [name for name, path in paths(instance).items() if stamp(path) != expected_stamp(name)]


def expected_stamp(name: str) -> int:
    """Return a number of 31 bits for the installed version of the software behind a database."""
    return zlib.crc32(" ".join(version(package) for package in PACKAGES[name]).encode()) & 0x7FFFFFFF


def stamp(path: Path) -> int | None:
    """Read the stamp of a database; None if there is no database, 0 if it was never stamped."""
    if not path.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise EmbeddedError(
            f"{path} cannot be read ({error}). Restore it, or move it away and `make up` creates a new one"
        ) from None


def prepare(instance: Instance, names: list[str], environment: Mapping[str, str]) -> None:
    """
    Create or migrate the databases *names* in parallel, each in its own process.

    Raises:
        EmbeddedError: one failed; it was left in its old state, and the others are complete.
    """
    log = instance.logs / "database.log"
    with log.open("w") as output:
        running = {
            name: subprocess.Popen(
                [sys.executable, "-m", "deploy.embedded.database", name, str(paths(instance)[name])],
                env={**environment, "QUARTET_COMPONENT": "database"},
                cwd=instance.run,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            for name in names
        }
        failed = [name for name, process in running.items() if process.wait()]
    if failed:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise EmbeddedError(f"the database of {' and '.join(failed)} could not be created. The end of {log}:\n{last}")


def migrate_copy(path: Path, number: int, migrate: Callable[[Path], None]) -> None:
    """Migrate a copy of the database *path* (or an empty file), stamp it with *number* and move it into place."""
    partial = path.with_name(f"{path.name}.partial")
    for stale in siblings(partial):
        stale.unlink(missing_ok=True)
    if path.exists():
        with contextlib.closing(sqlite3.connect(path)) as old, contextlib.closing(sqlite3.connect(partial)) as new:
            old.backup(new)
    migrate(partial)
    with contextlib.closing(sqlite3.connect(partial)) as connection:
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    descriptor = os.open(partial, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    for log in siblings(path)[1:]:  # of the old database, whose content is in the copy
        log.unlink(missing_ok=True)
    partial.replace(path)


def siblings(path: Path) -> list[Path]:
    """Return the files of a SQLite database: the database, its write-ahead log and the log's index."""
    return [path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")]


def migrate_airflow(path: Path) -> None:
    """Create or migrate Airflow's tables, including those of its providers."""
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{path}"
    from airflow import settings
    from airflow.utils.db import upgradedb

    upgradedb()
    settings.dispose_orm()


def migrate_mlflow(path: Path) -> None:
    """Create or migrate MLflow's tables, and create MLflow's default experiment."""
    from mlflow.db import upgrade
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    from include.core.settings import PlatformSettings

    assert upgrade.callback  # noqa: S101 - for the type checker: a click command has one
    upgrade.callback(f"sqlite:///{path}")
    SqlAlchemyStore(f"sqlite:///{path}", f"{PlatformSettings.load().storage_url}/mlflow")._dispose_engine()


if __name__ == "__main__":
    name, target = sys.argv[1], Path(sys.argv[2])
    migrate_copy(target, expected_stamp(name), {"airflow": migrate_airflow, "mlflow": migrate_mlflow}[name])
