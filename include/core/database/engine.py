"""Engines of our own databases, which are closed after use."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pymysql.converters import conversions
from sqlalchemy import URL, Engine, create_engine, event

from include.core.database import mariadb

RECYCLE_SECONDS = 1_800
SQLITE_BUSY_SECONDS = 30
READ_ONLY = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}
STRICT = "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_ALL_TABLES')"
"""Makes a value that does not fit an error, even on servers that would truncate it."""


@contextmanager
def open_engine(url: URL, *, read_only: bool = False) -> Iterator[Engine]:
    """
    Open an engine, whose connections are closed at the end of the block.

    A transaction that may write takes SQLite's lock when it begins, so that two of them wait instead of failing.

    Args:
        url: address of a PostgreSQL, MariaDB, MySQL or SQLite database.
        read_only: reject writes; a SQLite file must then exist, and is not created.

    Raises:
        FileNotFoundError: the SQLite file to read does not exist.
    """
    if url.drivername == "sqlite":
        url = _sqlite_file(url, read_only)
    options: dict[str, Any] = {}
    if "pymysql" in url.drivername:
        driver = {"conv": conversions | {datetime: _quoted}, **mariadb.login_arguments(url)}
        options = {"paramstyle": "format", "connect_args": driver}
    engine = create_engine(url, pool_pre_ping=True, pool_recycle=RECYCLE_SECONDS, hide_parameters=True, **options)
    if seconds := mariadb.answer_seconds(url):
        event.listen(engine, "connect", lambda connection, _: mariadb.set_answer_seconds(connection, seconds))
    event.listen(engine, "connect", lambda connection, _: _prepare(connection, engine.dialect.name, read_only))
    if engine.dialect.name == "sqlite":
        begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    try:
        yield engine
    finally:
        engine.dispose()


def _quoted(time: datetime, _: Any = None) -> str:
    """Return a time as SQL; PyMySQL's own conversion takes a third of the time of an insert."""
    return f"'{time.isoformat(' ')}'"


def _sqlite_file(url: URL, read_only: bool) -> URL:
    path = Path(url.database or "")
    if not read_only:
        path.parent.mkdir(parents=True, exist_ok=True)
        return url
    if not path.is_file():
        raise FileNotFoundError(f"there is no SQLite database {path}")
    return url.set(database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})


def _prepare(connection: Any, dialect: str, read_only: bool) -> None:
    if dialect == "sqlite":
        connection.isolation_level = None  # the listener of `open_engine` begins transactions
    cursor = connection.cursor()
    if dialect == "sqlite":
        cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA foreign_keys = ON")
        if not read_only:
            cursor.execute("PRAGMA journal_mode = WAL")
    if dialect in ("mysql", "mariadb"):
        cursor.execute(STRICT)
        # with the default, REPEATABLE READ, a DELETE that finds nothing locks the gap, and two tasks deadlock
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    if read_only:
        cursor.execute(READ_ONLY[dialect])
        if dialect != "sqlite":
            connection.commit()
    cursor.close()
