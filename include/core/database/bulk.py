"""Bulk reads and inserts in parts, without an object per row."""

import asyncio
import gc
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import islice
from ssl import SSLContext
from typing import Any, TypeVar

import asyncmy
from asyncmy.constants.CR import CR_SERVER_LOST
from asyncmy.cursors import SSCursor
from asyncmy.errors import OperationalError as AsyncError
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Select,
    Table,
    cast,
    func,
    insert,
    literal_column,
)
from sqlalchemy.exc import OperationalError

from include.core.database import mariadb

A = TypeVar("A")

INSERT_ROWS = 5_000


def stream(engine: Engine, statement: Select[*tuple[Any, ...]], rows: int) -> Iterator[list[tuple[Any, ...]]]:
    """
    Read a large result in parts, without ever holding all of it; the server keeps the rest.

    MariaDB is read with asyncmy, whose parser is in C and takes half the time of PyMySQL. From SQLite, text that is not
    UTF-8 comes as bytes.

    Args:
        engine: database to read from.
        statement: query to execute.
        rows: maximum rows of a part.

    Yields:
        The next rows, at least one.
    """
    if engine.dialect.driver == "pymysql":
        yield from _stream_mariadb(engine, statement, rows)
        return
    with engine.connect() as connection:
        read = 0
        try:
            for part in _parts(connection, statement, rows):
                yield part
                read += 1
        except OperationalError as error:
            if "Could not decode" not in str(error.orig):
                raise
            # decoding each value in Python takes longer; in the same transaction, the rows and their order are the same
            connection.connection.dbapi_connection.text_factory = _text_or_bytes  # pyright: ignore[reportOptionalMemberAccess]
            yield from islice(_parts(connection, statement, rows), read, None)


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows, given as tuples in the order of *columns*; only a few are copied at a time."""
    statement = insert(table).compile(dialect=connection.dialect, column_keys=list(columns))
    place = [columns.index(name) for name in statement.positiontup or ()]
    following = iter(rows)
    while part := list(islice(following, INSERT_ROWS)):
        if connection.dialect.driver == "pymysql":  # directly: SQLAlchemy would process each value of each row
            connection.exec_driver_sql(str(statement), [tuple([row[each] for each in place]) for row in part])
        else:
            connection.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in part])


def seconds_since(engine: Engine, start: datetime, time: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the whole seconds from *start* to the column *time*; in Python, dates take three times as long to read."""
    if engine.dialect.name == "sqlite":
        return cast(func.strftime("%s", time), Integer) - cast(func.strftime("%s", start.isoformat(" ")), Integer)
    return func.timestampdiff(literal_column("SECOND"), start, time, type_=Integer())


@contextmanager
def gc_disabled() -> Iterator[None]:
    """Disable Python's cyclic garbage collector, which would traverse millions of rows repeatedly and find nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _parts(connection: Connection, statement: Select[*tuple[Any, ...]], rows: int) -> Iterator[list[tuple[Any, ...]]]:
    result = connection.execution_options(yield_per=rows).execute(statement)
    for part in result.partitions():
        yield [tuple(row) for row in part]


def _text_or_bytes(stored: bytes) -> str | bytes:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _stream_mariadb(engine: Engine, statement: Select[*tuple[Any, ...]], rows: int) -> Iterator[list[tuple[Any, ...]]]:
    compiled = statement.compile(dialect=engine.dialect, compile_kwargs={"render_postcompile": True})
    values = compiled.construct_params()
    loop = asyncio.new_event_loop()
    url, connection = engine.url, None
    connect_seconds, answer_seconds = mariadb.connect_seconds(url), mariadb.answer_seconds(url)
    try:
        login = asyncmy.connect(
            host=url.host or "localhost",
            port=url.port or 3306,
            user=url.username,
            password=url.password or "",
            database=url.database,
            charset="utf8mb4",
            ssl=_tls(engine),
            connect_timeout=connect_seconds + 1,  # ours covers the login, too, and ends first
        )
        connection = loop.run_until_complete(_in_time(login, connect_seconds))
        cursor = connection.cursor(SSCursor)
        query = cursor.execute(str(compiled), [values[name] for name in compiled.positiontup or ()])
        loop.run_until_complete(_in_time(query, answer_seconds))
        while part := loop.run_until_complete(_in_time(_next_rows(connection, cursor, rows), answer_seconds)):
            yield part
        loop.run_until_complete(_in_time(cursor.close(), answer_seconds))
    finally:
        if connection is not None:
            with suppress(OSError, RuntimeError):
                _abort(connection)
        for _ in range(3):  # an encrypted transport is closed in several steps
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def _tls(engine: Engine) -> SSLContext | None:
    """Return the TLS that a connection of the engine uses: asyncmy does not find out whether a server offers it."""
    with engine.connect() as connection:
        return mariadb.tls_of(connection.connection.dbapi_connection)


async def _in_time(answer: Coroutine[Any, Any, A], seconds: float | None) -> A:
    """Wait for an answer; asyncmy's own timeout would make it read at half the speed."""
    try:
        return await asyncio.wait_for(answer, seconds)
    except TimeoutError:
        text = f"Lost connection to MySQL server during query (timed out after {seconds} s)"
        raise AsyncError(CR_SERVER_LOST, text) from None


def _abort(connection: Any) -> None:
    """Close a connection at once, discarding what the server still sends."""
    if connection._transport:
        connection._transport.abort()
    connection.close()


async def _next_rows(connection: Any, cursor: Any, rows: int) -> list[tuple[Any, ...]]:
    """Return the next rows. The server may send only meanwhile, since asyncmy buffers everything that arrives."""
    transport = connection._transport  # has no public accessor; None if the connection is lost
    if transport:
        transport.resume_reading()
    try:
        return await cursor.fetchmany(rows)
    finally:
        if transport:
            transport.pause_reading()
