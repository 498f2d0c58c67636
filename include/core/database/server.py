"""Addresses of the databases on the platform's PostgreSQL server."""

from sqlalchemy import URL, make_url

PREFIX = "quartet"
"""What the names of the databases begin with, unless the server's address has a path."""
MAINTENANCE = "postgres"
"""Database that every server has; others are created from it."""


def database_address(server: str, name: str) -> URL:
    """
    Return the address of a database of the platform.

    Args:
        server: address of a PostgreSQL server, such as `postgresql://user:password@host/prefix`.
        name: `airflow`, `mlflow` or the name of a workflow.
    """
    url = make_url(server)
    return url.set(drivername="postgresql+psycopg2", database=f"{url.database or PREFIX}_{name}")


def maintenance_address(server: str) -> URL:
    """Return the address of the server's maintenance database."""
    return make_url(server).set(drivername="postgresql+psycopg2", database=MAINTENANCE)
