"""Creation and migration of the platform's databases before anything uses them.

A database is created or migrated under another name and renamed when it is complete. Its comment names the software
that migrated it last, so that another version migrates it again, once. The first time, the rows of the SQLite files
that earlier releases used are copied, and the files are kept under another name.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import URL, Connection, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.instance import Instance
from deploy.embedded.migrations import migrate
from deploy.embedded.sqlite_files import copy_into, upgraded
from include.core.database.server import maintenance_address
from include.core.settings import PlatformSettings
from include.workflows import WORKFLOWS

PACKAGES = {"airflow": ("apache-airflow-core", "apache-airflow-providers-fab"), "mlflow": ("mlflow",)}
COMPONENT = "migration"
"""Value of `QUARTET_COMPONENT` of the processes that migrate."""
IMPORTED = ".imported"
"""Suffix of a SQLite file whose rows are in PostgreSQL now."""


def names(instance: Instance) -> list[str]:
    """Return the databases that embedded mode manages; MLflow's only where no setting places it elsewhere."""
    of_workflows = [workflow.name for workflow in WORKFLOWS if workflow.database]
    return ["airflow", *([] if instance.tracking_uri else ["mlflow"]), *of_workflows]


def sqlite_files(instance: Instance) -> dict[str, Path]:
    """Return the SQLite files in which earlier releases kept the databases, those that exist."""
    of_workflows = {name: instance.home / "data" / f"{name}.db" for name in names(instance)}
    files = of_workflows | {name: instance.home / f"{name}.db" for name in PACKAGES}
    return {name: files[name] for name in names(instance) if files[name].is_file()}


def outdated(instance: Instance) -> list[str]:
    """
    Return the names of the databases that are missing or were last migrated by another version of the software.

    Raises:
        EmbeddedError: the server does not accept the connection.
    """
    with _maintenance(instance.server_url) as connection:
        found = _stamps(connection)
    return [
        name for name in names(instance) if found.get(str(instance.database(name).database)) != expected_stamp(name)
    ]


def expected_stamp(name: str) -> str:
    """Return the version of the software behind a database, as its comment has it."""
    if name in PACKAGES:
        return " ".join(f"{package} {version(package)}" for package in PACKAGES[name])
    return f"{name} {import_module(f'include.{name}.database.schema').HEAD}"


def prepare(instance: Instance, names: list[str], environment: Mapping[str, str]) -> None:
    """
    Create or migrate the databases *names* in parallel, each in its own process.

    Raises:
        EmbeddedError: one failed; it was left in its old state, and the others are complete.
    """
    running = {name: _begin(instance, name, environment) for name in names}
    for name in [name for name, process in running.items() if process.wait()]:
        log = _log(instance, name)
        last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise EmbeddedError(f"the database of {name} could not be created. The end of {log}:\n{last}")


def _begin(instance: Instance, name: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with _log(instance, name).open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.embedded.database", name, str(sqlite_files(instance).get(name, ""))],
            env={**environment, "QUARTET_COMPONENT": COMPONENT},
            cwd=instance.run,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _log(instance: Instance, name: str) -> Path:
    return instance.logs / f"{name}-migration.log"


def put_aside(instance: Instance) -> list[Path]:
    """Rename the SQLite files whose rows have been copied; return their new paths."""
    renamed = []
    for path in sqlite_files(instance).values():
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            if file.exists():
                file.rename(file.with_name(f"{file.name}{IMPORTED}"))
        renamed.append(path.with_name(f"{path.name}{IMPORTED}"))
    return renamed


def migrate_aside(server: str, url: URL, stamp: str, migrate: Callable[[URL, bool], None]) -> None:
    """
    Migrate a copy of the database at *url* (or an empty one), stamp it and give it the name of the database.

    Args:
        server: address of the server.
        url: address of the database; sessions in it are ended.
        stamp: comment of the migrated database.
        migrate: called with the copy's address, and whether it is empty.
    """
    name, aside, old = str(url.database), f"{url.database}_new", f"{url.database}_old"
    end_sessions = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
    with _maintenance(server) as connection:
        exists = name in _stamps(connection)
        connection.execute(text(f'DROP DATABASE IF EXISTS "{aside}" WITH (FORCE)'))
        connection.execute(text(f'DROP DATABASE IF EXISTS "{old}" WITH (FORCE)'))
        connection.execute(end_sessions, {"name": name})
        source = f'TEMPLATE "{name}"' if exists else "TEMPLATE template0 ENCODING 'UTF8'"
        connection.execute(text(f'CREATE DATABASE "{aside}" {source}'))
        migrate(url.set(database=aside), not exists)
        connection.execute(end_sessions, {"name": aside})  # of pools that the migration has left open
        literal = stamp.replace("'", "''")
        connection.execute(text(f"COMMENT ON DATABASE \"{aside}\" IS '{literal}'"))
        swap = f'ALTER DATABASE "{name}" RENAME TO "{old}"; ' if exists else ""
        connection.execute(text(f'BEGIN; {swap}ALTER DATABASE "{aside}" RENAME TO "{name}"; COMMIT'))
        connection.execute(text(f'DROP DATABASE IF EXISTS "{old}" WITH (FORCE)'))


@contextmanager
def _maintenance(server: str) -> Iterator[Connection]:
    """Connect to the maintenance database; each statement is a transaction of its own."""
    address = maintenance_address(server)
    engine = create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        connection = engine.connect()
    except OperationalError as error:
        reason = " ".join(str(error.orig).split())
        raise EmbeddedError(f"{address} cannot be reached: {reason}. Check QUARTET_DATABASE_URL") from None
    with connection:
        yield connection


def _stamps(connection: Connection) -> dict[str, str]:
    query = "SELECT datname, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database"
    return {name: stamp for name, stamp in connection.execute(text(query))}


def main(name: str, sqlite: str) -> None:
    """Create or migrate the database *name*; a new one gets the rows of the file *sqlite*, unless that is empty."""
    instance = Instance.from_settings(PlatformSettings.load())

    def fill(url: URL, empty: bool) -> None:
        if not (empty and sqlite):
            migrate(name, url)
            return
        with upgraded(name, Path(sqlite)) as copy:
            migrate(name, url)
            copy_into(url, copy)

    migrate_aside(instance.server_url, instance.database(name), expected_stamp(name), fill)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
