"""The version of the database schema, and its upgrade to the newest one."""

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
"""Table of the version; not `alembic_version`, which Airflow and MLflow use."""
ADVISORY_LOCK = 4_717_297_652_208_001
"""Key of the PostgreSQL lock that is held while the schema is changed; an arbitrary number."""

_one_at_a_time = threading.Lock()  # Alembic keeps the state of a migration in module variables


class SchemaError(BadDataError):
    """The database has a schema that this program does not know."""


def version(engine: Engine) -> str | None:
    """Return the version of the schema; `None` if the database is empty."""
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
    Upgrade the database to the newest version, in one transaction; safe with concurrent upgrades.

    If the database is up to date, this takes one query.

    Raises:
        SchemaError: the database has an unknown version, such as that of a newer release.
    """
    retry(seconds=RESTART_SECONDS)(_upgrade, engine)


def _upgrade(engine: Engine) -> None:
    if (found := version(engine)) == HEAD:
        return
    from alembic import command  # slow to import, and rarely needed
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
    log.info("Upgraded the database to version %s from %s", HEAD, found)
