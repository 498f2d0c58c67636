"""Our own databases: engines that are closed again, big results in parts, errors that say what can be done."""

import asyncio
import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncmy
from asyncmy.cursors import SSCursor
from asyncmy.errors import MySQLError
from pymysql.converters import conversions
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Select,
    Table,
    cast,
    create_engine,
    event,
    func,
    insert,
    literal_column,
)
from sqlalchemy.exc import DBAPIError, NoSuchTableError, OperationalError
from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    stop_all,
    wait_random_exponential,
)

from include.core.errors import BadDataError

RECYCLE_SECONDS = 1_800
SQLITE_BUSY_SECONDS = 30
INSERT_ROWS = 5_000
READ_ONLY = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}
STRICT = "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_ALL_TABLES')"
"""A value that does not fit is an error, on servers too where it would be cut."""

HOPELESS = {
    1044: "access to the database is denied",
    1045: "user or password is wrong",
    1049: "the database does not exist",
    1054: "a column does not exist",
    1142: "access to a table is denied",
    1146: "a table does not exist",
    1644: "a trigger refuses the row",
    1698: "user or password is wrong",
}
"""Errors of MariaDB that another try cannot mend."""
PASSING = {1205, 1213, 1317, 1927, 2006, 2013}
"""Errors of MariaDB that another try mends: lock wait timeout, deadlock, what somebody has killed, lost connections."""

HOPELESS_STATES = {
    "28000": "the user is refused",
    "28P01": "user or password is wrong",
    "3D000": "the database does not exist",
    "42501": "access is denied",
    "42703": "a column does not exist",
    "42P01": "a table does not exist",
}
"""SQLSTATEs of PostgreSQL that another try cannot mend."""
HOPELESS_CONNECTING = {
    "password authentication failed": HOPELESS_STATES["28P01"],
    "no password supplied": HOPELESS_STATES["28P01"],
    "no pg_hba.conf entry": HOPELESS_STATES["28000"],
    "permission denied for database": HOPELESS_STATES["42501"],
    " does not exist": "the user or the database does not exist",
}
"""The same while connecting: there the driver gives PostgreSQL's words, but no SQLSTATE."""
PASSING_STATES = {"40001", "40P01", "53300", "55P03", "57014", "57P01", "57P02", "57P03"}
"""
SQLSTATEs that another try mends, those of class 08 (lost connections) beside them: a conflict of two transactions,
deadlock, too many connections, lock timeout, what somebody has cancelled, a server that stops, has crashed or starts.
"""
RESTART_SECONDS = 60
"""How long a server may take to come back."""


class DatabaseRefusedError(BadDataError):
    """The database answered, and would answer the same to another try."""


@contextmanager
def open_engine(url: URL, *, read_only: bool = False) -> Iterator[Engine]:
    """
    Give an engine whose connections are closed at the end of the block.

    A transaction that may write takes SQLite's lock at its begin, so that two of them wait instead of failing.

    Args:
        url: PostgreSQL, MariaDB, MySQL or SQLite.
        read_only: refuse to write; a SQLite file has to exist then, and none is made.

    Raises:
        FileNotFoundError: the SQLite file to read is not there.
    """
    if url.drivername == "sqlite":
        url = _sqlite_file(url, read_only)
    options: dict[str, Any] = {}
    if "pymysql" in url.drivername:
        options = {"paramstyle": "format", "connect_args": {"conv": conversions | {datetime: _quoted}}}
    engine = create_engine(url, pool_pre_ping=True, pool_recycle=RECYCLE_SECONDS, hide_parameters=True, **options)
    event.listen(engine, "connect", lambda connection, _: _prepare(connection, engine.dialect.name, read_only))
    if engine.dialect.name == "sqlite":
        begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    try:
        yield engine
    finally:
        engine.dispose()


def stream(engine: Engine, statement: Select[*tuple[Any, ...]], rows: int) -> Iterator[list[tuple[Any, ...]]]:
    """
    Read a big result in parts, without ever holding it whole; the server keeps the rest.

    From MariaDB they come by asyncmy, whose parser is in C: half the time of PyMySQL.

    Args:
        engine: where to read.
        statement: what to read.
        rows: most rows of a part.

    Yields:
        The next rows, at least one.
    """
    if engine.dialect.driver == "pymysql":
        yield from _stream_mariadb(engine, statement, rows)
        return
    with engine.connect() as connection:
        result = connection.execution_options(yield_per=rows).execute(statement)
        for part in result.partitions():
            yield [tuple(row) for row in part]


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows, given as tuples in the order of *columns*; few of them are copied at a time."""
    statement = insert(table).compile(dialect=connection.dialect, column_keys=list(columns))
    place = [columns.index(name) for name in statement.positiontup or ()]
    following = iter(rows)
    while part := list(islice(following, INSERT_ROWS)):
        if connection.dialect.driver == "pymysql":  # as it is: SQLAlchemy would look at each value of each row
            connection.exec_driver_sql(str(statement), [tuple([row[each] for each in place]) for row in part])
        else:
            connection.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in part])


def seconds_since(engine: Engine, start: datetime, time: ColumnElement[Any]) -> ColumnElement[int]:
    """Give the whole seconds from *start* to the column *time*; numbers take a third of the time of dates in Python."""
    if engine.dialect.name == "sqlite":
        return cast(func.strftime("%s", time), Integer) - cast(func.strftime("%s", start.isoformat(" ")), Integer)
    return func.timestampdiff(literal_column("SECOND"), start, time, type_=Integer())


@contextmanager
def paused_collector() -> Iterator[None]:
    """Do without Python's cycle collector: it would look at millions of rows again and again and find nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def code(error: BaseException) -> int | None:
    """Give the number of an error of MariaDB, whichever driver raised it."""
    original = error.orig if isinstance(error, DBAPIError) else error if isinstance(error, MySQLError) else None
    number = original.args[0] if original is not None and original.args else None
    return number if isinstance(number, int) else None


def sqlstate(error: BaseException) -> str | None:
    """Give the SQLSTATE of an error of PostgreSQL; empty: it has none, as while connecting; `None`: it is another's."""
    original: Any = error.orig if isinstance(error, DBAPIError) else None
    if hasattr(original, "pgcode"):  # psycopg 2
        return original.pgcode or ""
    if hasattr(original, "diag"):  # psycopg 3; errors of MariaDB's drivers have a `sqlstate` too, but no `diag`
        return getattr(original, "sqlstate", None) or ""
    return None


def is_passing(error: BaseException) -> bool:
    """Tell whether another try of the same transaction may succeed."""
    if not isinstance(error, DBAPIError):
        return code(error) in PASSING
    state = sqlstate(error)
    if state == "" and isinstance(error, OperationalError):  # while connecting, or the connection is gone
        return _reason(error) is None
    locked = isinstance(error, OperationalError) and "database is locked" in str(error.orig)
    lost = error.connection_invalidated or (state or "").startswith("08")
    return locked or lost or state in PASSING_STATES or code(error) in PASSING


def tries(times: int = 6, seconds: float = 0) -> Retrying:
    """
    Try an idempotent piece of work again after an error that passes; other errors are raised as they are.

    Args:
        times: how often at least; the waits between six tries come to a second or two.
        seconds: how long at least, such as `RESTART_SECONDS`.
    """
    return Retrying(
        retry=retry_if_exception(is_passing),
        stop=stop_all(stop_after_attempt(times), stop_after_delay(seconds)),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        reraise=True,
    )


@contextmanager
def told_apart() -> Iterator[None]:
    """Raise `DatabaseRefusedError` instead of the errors that another try cannot mend."""
    try:
        yield
    except NoSuchTableError as error:
        raise DatabaseRefusedError(f"{HOPELESS[1146]}: {error}") from error
    except (DBAPIError, MySQLError) as error:
        text = str(error.orig if isinstance(error, DBAPIError) else error)
        if reason := _reason(error):
            raise DatabaseRefusedError(f"{reason}: {text}") from error
        if "no such table" in text or "no such column" in text:  # SQLite
            raise DatabaseRefusedError(text) from error
        raise


def _reason(error: BaseException) -> str | None:
    """Say why another try cannot mend an error of a server, if that is known."""
    state = sqlstate(error)
    if state is None:
        return HOPELESS.get(code(error) or 0)
    if state:
        return HOPELESS_STATES.get(state)
    return next((reason for words, reason in HOPELESS_CONNECTING.items() if words in str(error)), None)


def _stream_mariadb(engine: Engine, statement: Select[*tuple[Any, ...]], rows: int) -> Iterator[list[tuple[Any, ...]]]:
    compiled = statement.compile(dialect=engine.dialect, compile_kwargs={"render_postcompile": True})
    values = compiled.construct_params()
    loop = asyncio.new_event_loop()
    url, connection = engine.url, None
    try:
        connection = loop.run_until_complete(
            asyncmy.connect(
                host=url.host or "localhost",
                port=url.port or 3306,
                user=url.username,
                password=url.password or "",
                database=url.database,
                charset="utf8mb4",
                connect_timeout=int(str(url.query.get("connect_timeout", 10))),
            )
        )
        cursor = connection.cursor(SSCursor)
        loop.run_until_complete(cursor.execute(str(compiled), [values[name] for name in compiled.positiontup or ()]))
        while part := loop.run_until_complete(_next_rows(connection, cursor, rows)):
            yield part
        loop.run_until_complete(cursor.close())
    finally:
        if connection is not None:
            with suppress(OSError, RuntimeError):
                connection.close()  # at once: what the server still sends is not wanted
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def _next_rows(connection: Any, cursor: Any, rows: int) -> list[tuple[Any, ...]]:
    """Fetch rows; meanwhile only the server may send: asyncmy buffers all that comes, however slowly it is taken."""
    transport = connection._transport  # there is no public way; None when the connection is lost
    if transport:
        transport.resume_reading()
    try:
        return await cursor.fetchmany(rows)
    finally:
        if transport:
            transport.pause_reading()


def _quoted(time: datetime, _: Any = None) -> str:
    """Put a time into SQL; PyMySQL's own way takes a third of the time of an insert."""
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
