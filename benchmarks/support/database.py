"""Temporary databases of a benchmark."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, create_engine, text


@contextmanager
def database(server: URL) -> Iterator[URL]:
    """Create a database with a unique name, and drop it at the end."""
    name = f"qbench_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    is_postgres = engine.dialect.name == "postgresql"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}{'' if is_postgres else ' CHARACTER SET utf8mb4'}"))
    try:
        yield server.set(database=name, query={} if is_postgres else {"charset": "utf8mb4"})
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}{' WITH (FORCE)' if is_postgres else ''}"))
        engine.dispose()
