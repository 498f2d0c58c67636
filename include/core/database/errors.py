"""Database errors: classification as permanent or transient, and retries of transient ones."""

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

from include.core.errors import BadDataError, TransientError

PERMANENT = {
    1044: "access to the database is denied",
    1045: "user or password is wrong",
    1049: "the database does not exist",
    1054: "a column does not exist",
    1142: "access to a table is denied",
    1146: "a table does not exist",
    1644: "a trigger rejects the row",
    1698: "user or password is wrong",
    2026: "an encrypted connection is not possible",
    3159: "the server demands an encrypted connection",
}
"""MariaDB errors for which retrying cannot help."""
TRANSIENT = {1205, 1213, 1317, 1927, 2006, 2013}
"""MariaDB errors for which retrying helps: lock wait timeout, deadlock, killed queries, lost connections."""

LOST = {2003, 2006, 2013}
"""MariaDB errors of a connection that is not there; a timeout is one of them."""

PERMANENT_STATES = {
    "28000": "the user is rejected",
    "28P01": "user or password is wrong",
    "3D000": "the database does not exist",
    "42501": "access is denied",
    "42703": "a column does not exist",
    "42P01": "a table does not exist",
}
"""PostgreSQL SQLSTATEs for which retrying cannot help."""
PERMANENT_CONNECTING = {
    "password authentication failed": PERMANENT_STATES["28P01"],
    "no password supplied": PERMANENT_STATES["28P01"],
    "no pg_hba.conf entry": PERMANENT_STATES["28000"],
    "permission denied for database": PERMANENT_STATES["42501"],
    " does not exist": "the user or the database does not exist",
}
"""The same while connecting, when the driver has PostgreSQL's message but no SQLSTATE."""
TRANSIENT_STATES = {"40001", "40P01", "53300", "55P03", "57014", "57P01", "57P02", "57P03"}
"""
PostgreSQL SQLSTATEs for which retrying helps, besides class 08 (lost connections): serialization failure, deadlock, too
many connections, lock timeout, cancelled queries, and a server that is stopping, has crashed or is starting.
"""
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
"""Part of OpenSSL's message when a server cannot prove who it is; drivers report it as any other failure to connect."""
RESTART_SECONDS = 60
"""Time that a server may take to restart."""


class SilentServerError(TransientError):
    """The database server did not answer in time."""


class DatabaseRefusedError(BadDataError):
    """The database rejected the statement; retrying cannot help."""


def code(error: BaseException) -> int | None:
    """Return the number of a MariaDB error, whichever driver raised it."""
    original = error.orig if isinstance(error, DBAPIError) else error if isinstance(error, MySQLError) else None
    number = original.args[0] if original is not None and original.args else None
    return number if isinstance(number, int) else None


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of a PostgreSQL error; empty if it has none, as while connecting; `None` for other errors."""
    original: Any = error.orig if isinstance(error, DBAPIError) else None
    if hasattr(original, "pgcode"):  # psycopg 2
        return original.pgcode or ""
    if hasattr(original, "diag"):  # psycopg 3; errors of MariaDB's drivers have a `sqlstate` too, but no `diag`
        return getattr(original, "sqlstate", None) or ""
    return None


def is_timeout(error: BaseException) -> bool:
    """Check whether a MariaDB server did not answer in time."""
    return code(error) in LOST and "timed out" in str(error.orig if isinstance(error, DBAPIError) else error)


def is_missing_column(error: BaseException) -> bool:
    """Check whether MariaDB or SQLite rejected a statement since a column does not exist."""
    return code(error) == 1054 or "no such column" in str(error)


def is_transient(error: BaseException) -> bool:
    """Check whether retrying the same transaction may succeed."""
    if is_timeout(error):
        return True
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
    Build a retry of idempotent work after transient errors; other errors are raised unchanged.

    So are timeouts, unless there is a minimum time: each costs its full time, and a server that is frozen does not thaw
    within seconds.

    Args:
        times: minimum number of attempts; the waits between six attempts take a second or two in total.
        seconds: minimum time, such as `RESTART_SECONDS`.
    """
    return Retrying(
        retry=retry_if_exception(lambda error: is_transient(error) and (seconds > 0 or not is_timeout(error))),
        stop=stop_all(stop_after_attempt(times), stop_after_delay(seconds)),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        reraise=True,
    )


@contextmanager
def classify_errors() -> Iterator[None]:
    """Raise `DatabaseRefusedError` instead of permanent errors, and `SilentServerError` instead of timeouts."""
    try:
        yield
    except NoSuchTableError as error:
        raise DatabaseRefusedError(f"{PERMANENT[1146]}: {error}") from error
    except (DBAPIError, MySQLError) as error:
        text = str(error.orig if isinstance(error, DBAPIError) else error)
        if is_timeout(error):
            raise SilentServerError(f"the database server does not answer: {text}") from error
        if reason := _reason(error):
            raise DatabaseRefusedError(f"{reason}: {text}") from error
        if "no such table" in text or "no such column" in text:  # SQLite
            raise DatabaseRefusedError(text) from error
        raise


def _reason(error: BaseException) -> str | None:
    """Return why a server's error is permanent, or `None` if it is not known to be."""
    state = sqlstate(error)
    if state is None:
        untrusted = UNTRUSTED in str(error)
        return "the server's certificate is not trusted" if untrusted else PERMANENT.get(code(error) or 0)
    if state:
        return PERMANENT_STATES.get(state)
    return next((reason for words, reason in PERMANENT_CONNECTING.items() if words in str(error)), None)
