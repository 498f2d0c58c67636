"""Errors of databases: which are permanent, which are transient, and the retry of the transient ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asyncmy.errors import MySQLError
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

PERMANENT = {
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
TRANSIENT = {1205, 1213, 1317, 1927, 2006, 2013}
"""Errors of MariaDB that another try mends: lock wait timeout, deadlock, what somebody has killed, lost connections."""

PERMANENT_STATES = {
    "28000": "the user is refused",
    "28P01": "user or password is wrong",
    "3D000": "the database does not exist",
    "42501": "access is denied",
    "42703": "a column does not exist",
    "42P01": "a table does not exist",
}
"""SQLSTATEs of PostgreSQL that another try cannot mend."""
PERMANENT_CONNECTING = {
    "password authentication failed": PERMANENT_STATES["28P01"],
    "no password supplied": PERMANENT_STATES["28P01"],
    "no pg_hba.conf entry": PERMANENT_STATES["28000"],
    "permission denied for database": PERMANENT_STATES["42501"],
    " does not exist": "the user or the database does not exist",
}
"""The same while connecting: there the driver gives PostgreSQL's words, but no SQLSTATE."""
TRANSIENT_STATES = {"40001", "40P01", "53300", "55P03", "57014", "57P01", "57P02", "57P03"}
"""
SQLSTATEs that another try mends, those of class 08 (lost connections) beside them: a conflict of two transactions,
deadlock, too many connections, lock timeout, what somebody has cancelled, a server that stops, has crashed or starts.
"""
RESTART_SECONDS = 60
"""How long a server may take to come back."""


class DatabaseRefusedError(BadDataError):
    """The database answered, and would answer the same to another try."""


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


def is_transient(error: BaseException) -> bool:
    """Tell whether another try of the same transaction may succeed."""
    if not isinstance(error, DBAPIError):
        return code(error) in TRANSIENT
    state = sqlstate(error)
    if state == "" and isinstance(error, OperationalError):  # while connecting, or the connection is gone
        return _reason(error) is None
    locked = isinstance(error, OperationalError) and "database is locked" in str(error.orig)
    lost = error.connection_invalidated or (state or "").startswith("08")
    return locked or lost or state in TRANSIENT_STATES or code(error) in TRANSIENT


def retry(times: int = 6, seconds: float = 0) -> Retrying:
    """
    Try an idempotent piece of work again after an error that passes; other errors are raised as they are.

    Args:
        times: how often at least; the waits between six tries come to a second or two.
        seconds: how long at least, such as `RESTART_SECONDS`.
    """
    return Retrying(
        retry=retry_if_exception(is_transient),
        stop=stop_all(stop_after_attempt(times), stop_after_delay(seconds)),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        reraise=True,
    )


@contextmanager
def classify_errors() -> Iterator[None]:
    """Raise `DatabaseRefusedError` instead of the errors that another try cannot mend."""
    try:
        yield
    except NoSuchTableError as error:
        raise DatabaseRefusedError(f"{PERMANENT[1146]}: {error}") from error
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
        return PERMANENT.get(code(error) or 0)
    if state:
        return PERMANENT_STATES.get(state)
    return next((reason for words, reason in PERMANENT_CONNECTING.items() if words in str(error)), None)
