"""
Options of connections to a MariaDB server, kept in its address.

PyMySQL has one timeout for all that it reads, and none by default: a server that is frozen still accepts connections,
since the kernel does, and then nothing ends the wait for its greeting.

Connections are encrypted if the server offers TLS. With the certificates of an authority, they always are, and the
server has to prove that it is the host of the address.
"""

from ssl import SSLContext
from typing import Any

from sqlalchemy import URL

DEFAULT_CONNECT_SECONDS = 10


def with_timeouts(url: URL, connect_seconds: int, answer_seconds: int) -> URL:
    """
    Return the address of a MariaDB database with limits for its server; others are returned unchanged.

    Args:
        url: address of a database.
        connect_seconds: maximum seconds to connect, and then to wait for each answer until the user is accepted.
        answer_seconds: maximum seconds to wait for each later answer, and to send a statement.
    """
    if "pymysql" not in url.drivername:
        return url
    answer = str(answer_seconds)
    limits = {"connect_timeout": str(connect_seconds), "read_timeout": answer, "write_timeout": answer}
    return url.update_query_dict(limits)


def with_authority(url: URL, file: str) -> URL:
    """Return the address of a server whose certificate has to be signed by an authority in *file* (PEM)."""
    return url.update_query_dict({"ssl_ca": file})


def connect_seconds(url: URL) -> int:
    """Return the maximum seconds to connect."""
    return int(str(url.query.get("connect_timeout", DEFAULT_CONNECT_SECONDS)))


def answer_seconds(url: URL) -> int | None:
    """Return the maximum seconds to wait for an answer, or `None` without a limit."""
    return int(str(url.query["read_timeout"])) if "read_timeout" in url.query else None


def login_arguments(url: URL) -> dict[str, Any]:
    """Return arguments of PyMySQL that limit a login to the time to connect; see `set_answer_seconds`."""
    return {"read_timeout": connect_seconds(url)} if answer_seconds(url) else {}


def set_answer_seconds(connection: Any, seconds: int) -> None:
    """Set the maximum seconds to wait for an answer, after the login."""
    connection._read_timeout = seconds  # has no public accessor


def tls_of(connection: Any) -> SSLContext | None:
    """Return what an open connection of PyMySQL is encrypted with, or `None` if it is not."""
    from pymysql.constants.CLIENT import SSL  # DAG files load this module, and no driver

    return connection.ctx if connection.ssl and connection.server_capabilities & SSL else None
