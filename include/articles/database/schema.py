"""The version of the database's schema, and the way to the newest one."""

import logging
import threading
from pathlib import Path

from sqlalchemy import Engine, column, func, inspect, select, table
from sqlalchemy.exc import OperationalError, ProgrammingError

from include.core.database.errors import RESTART_SECONDS, retry
from include.core.errors import BadDataError

log = logging.getLogger(__name__)

HEAD = "0002"
"""The newest version."""
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "article_recs_version"
"""Where the version is kept: a name of our own, because Airflow and MLflow have `alembic_version`."""
ADVISORY_LOCK = 4_717_297_652_208_001
"""Number of the lock on PostgreSQL under which the schema is changed; any that nobody else uses."""

_one_at_a_time = threading.Lock()  # Alembic keeps the migration that runs in module variables


class SchemaError(BadDataError):
    """The database has a schema that this program does not know."""


def version(engine: Engine) -> str | None:
    """Give the version of the schema; `None`: the database is empty."""
    statement = select(column("version_num")).select_from(table(VERSION_TABLE))
    try:
        with engine.connect() as connection:
            return connection.scalar(statement)
    except (OperationalError, ProgrammingError):
        if inspect(engine).has_table(VERSION_TABLE):
            raise
        return None


def upgrade(engine: Engine) -> None:
    """
    Bring the database to the newest version, whole or not at all; other processes may do the same at the same time.

    When it is there already, this is one query.

    Raises:
        SchemaError: the database has a version that this program does not know, as one of a newer program.
    """
    retry(seconds=RESTART_SECONDS)(_upgrade, engine)


def _upgrade(engine: Engine) -> None:
    if (found := version(engine)) == HEAD:
        return
    from alembic import command  # slow to load, and hardly ever needed
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with _one_at_a_time, engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise SchemaError(f"the database has version {found}, {HEAD} or an older one was expected") from error
    log.info("The database is at version %s now; it was at %s", HEAD, found)
