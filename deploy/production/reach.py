"""Required environment variables and databases."""

import logging
import os

from sqlalchemy import URL, text

from include.core.database.engine import open_engine
from include.core.database.errors import retry
from include.core.errors import BadDataError

log = logging.getLogger("init")

PATIENCE_SECONDS = 120
"""Maximum wait for a database that does not answer."""


class MissingVariableError(BadDataError):
    """A required environment variable is not set."""


def required(variable: str) -> str:
    """Return the value of an environment variable; raises `MissingVariableError` if it is not set."""
    if value := os.environ.get(variable):
        return value
    raise MissingVariableError(f"{variable} is not set")


def reach(url: URL) -> None:
    """Wait until a database answers."""

    def connect() -> None:
        with open_engine(url) as engine, engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    log.info("  %s", url.render_as_string(hide_password=True))
    retry(seconds=PATIENCE_SECONDS)(connect)
