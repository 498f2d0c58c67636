"""Schemas and accounts of audience labeling on a MariaDB of our own, where we have its root: source and results."""

import logging

from pymysql.converters import escape_string
from sqlalchemy import URL, Connection

from include.audience.settings import AudienceSettings
from include.core.databases import open_engine, tries

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 120


def ensure(settings: AudienceSettings, root_password: str, crawler_password: str, *, crawler: str) -> None:
    """
    Make schemas and accounts that are missing; give those that exist their rights and passwords of now.

    The platform's user reads the source and owns the results; the crawler, which fills the source, owns that.

    Args:
        settings: server, schemas and the platform's user; source and results are on the same server.
        root_password: of the server's root.
        crawler_password: of the crawler.
        crawler: its name.
    """
    url = URL.create(
        "mariadb+pymysql",
        "root",
        root_password,
        settings.output_host,
        settings.output_port,
        query={"charset": "utf8mb4"},
    )

    def make() -> None:
        with open_engine(url) as engine, engine.connect() as connection:
            for schema in (settings.input_schema, *sorted(settings.output_schemas)):
                connection.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS {_name(schema)}")
            user = settings.output_user
            _account(connection, user, settings.output_password.get_secret_value())
            _account(connection, crawler, crawler_password)
            _grant(connection, "SELECT", settings.input_schema, user)
            _grant(connection, "ALL", settings.input_schema, crawler)
            for schema in sorted(settings.output_schemas):
                _grant(connection, "ALL", schema, user)

    tries(seconds=PATIENCE_SECONDS)(make)


def _account(connection: Connection, user: str, password: str) -> None:
    for statement in ("CREATE USER IF NOT EXISTS", "ALTER USER"):
        connection.exec_driver_sql(f"{statement} {_text(user)}@'%%' IDENTIFIED BY {_text(password)}")


def _grant(connection: Connection, rights: str, schema: str, user: str) -> None:
    pattern = _name(schema).replace("_", r"\_")  # an underscore would stand for any character
    connection.exec_driver_sql(f"GRANT {rights} ON {pattern}.* TO {_text(user)}@'%%'")


def _name(schema: str) -> str:
    return f"`{schema}`"  # the settings allow no backtick in it


def _text(value: str) -> str:
    return f"'{escape_string(value)}'".replace("%", "%%")
