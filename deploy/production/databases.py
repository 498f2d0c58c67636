"""
Create databases and users on managed servers, such as RDS: `python -m deploy.production.databases`.

It runs before `deploy.production.init`, which creates the tables. It is idempotent, and sets the users' passwords to
those currently in the secrets. Every user owns or reads its own databases and no others.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Iterable

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from include.core.database.engine import open_engine
from include.core.database.errors import retry
from include.core.errors import BadDataError

log = logging.getLogger("databases")

POSTGRES_USERS = ("airflow", "articles", "mlflow")
"""Users of PostgreSQL, each the owner of a database with its name."""
ALL = "ALL PRIVILEGES"
PATIENCE_SECONDS = 300
NAME = re.compile(r"[A-Za-z0-9_$-]{1,64}", re.ASCII)


def postgres(url: URL, passwords: dict[str, str]) -> None:
    """
    Create a database and its owner for each name, or change the owner's password.

    Args:
        url: the server's database `postgres`, with a user who may create roles and databases.
        passwords: name → password of the owner.
    """
    with open_engine(url) as engine, engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for name, password in passwords.items():
            user = _quoted(connection, name)
            exists = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name}).first()
            verb = "ALTER" if exists else "CREATE"
            _execute(connection, f"{verb} ROLE {user} WITH LOGIN PASSWORD {_literal(password)}")
            if not connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}).first():
                _execute(connection, f"GRANT {user} TO CURRENT_USER")  # else only a superuser may set the owner
                _execute(connection, f"CREATE DATABASE {user} OWNER {user}")
            _execute(connection, f"REVOKE CONNECT ON DATABASE {user} FROM PUBLIC")
            log.info("PostgreSQL: database and user %s", name)


def mariadb(url: URL, user: str, password: str, schemas: Iterable[str], privileges: str) -> None:
    """
    Create missing schemas, and a user with privileges on these schemas only.

    Args:
        url: the server, with a user who may create users and schemas.
        user: name of the user.
        password: password of the user.
        schemas: names of the schemas.
        privileges: privileges of the user, as in `GRANT`.
    """
    with open_engine(url) as engine, engine.connect() as connection:
        account, secret = f"{_literal(user)}@'%'", _literal(password)
        _execute(connection, f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY {secret}")
        _execute(connection, f"ALTER USER {account} IDENTIFIED BY {secret}")
        for schema in schemas:
            name = _quoted(connection, schema)
            exactly = name.replace("_", r"\_")  # in a GRANT, `_` matches any character
            _execute(connection, f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4")
            _execute(connection, f"GRANT {privileges} ON {exactly}.* TO {account}")
            log.info("MariaDB: schema %s, user %s: %s", schema, user, privileges)


def main() -> int:
    """Create everything that the environment names; return 1 if a server refuses."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        retry(seconds=PATIENCE_SECONDS)(_postgres_of_the_stack)
        retry(seconds=PATIENCE_SECONDS)(_mariadb_of_the_stack)
    except DBAPIError as error:  # its own text repeats the statement, which has the password
        log.error("%s", str(error.orig).splitlines()[0])
        return 1
    except (BadDataError, KeyError) as error:
        log.error("%s: %s", type(error).__name__, error)
        return 1
    return 0


def _postgres_of_the_stack() -> None:
    postgres(
        _master("POSTGRES_MASTER", "postgresql+psycopg2", "postgres"),
        {name: os.environ[f"{name.upper()}_PASSWORD"] for name in POSTGRES_USERS},
    )


def _mariadb_of_the_stack() -> None:
    url = _master("MARIADB_MASTER", "mariadb+pymysql", None)
    for side, privileges in (("INPUT", "SELECT"), ("OUTPUT", ALL)):
        user, password = os.environ[f"{side}_USER"], os.environ[f"{side}_PASSWORD"]
        mariadb(url, user, password, os.environ[f"{side}_SCHEMAS"].split(","), privileges)


def _master(variable: str, driver: str, database: str | None) -> URL:
    """Build the address of a server from the secret that RDS creates for its master user."""
    found = json.loads(os.environ[variable])
    return URL.create(
        driver, found["username"], found["password"], host=found["host"], port=found["port"], database=database
    )


def _execute(connection: Connection, statement: str) -> None:
    connection.execution_options(no_parameters=True).exec_driver_sql(statement)  # `%` is literal


def _quoted(connection: Connection, name: str) -> str:
    if not NAME.fullmatch(name):
        raise BadDataError(f"{name!r} is not a valid name of a database or user")
    return connection.dialect.identifier_preparer.quote_identifier(name)


def _literal(value: str) -> str:
    if not re.fullmatch(r"[\w-]+", value, re.ASCII):
        raise BadDataError("names and passwords must consist of letters, digits, `_` and `-`")
    return f"'{value}'"


if __name__ == "__main__":
    sys.exit(main())
