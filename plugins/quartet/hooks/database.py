"""Our own databases: SQLAlchemy engines from Airflow connections, or the platform's own where none is defined."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException, ErrorType
from sqlalchemy import URL, Engine

from include.core.database.engine import open_engine
from include.core.database.server import database_address
from include.core.errors import SettingsError
from include.core.settings import PlatformSettings

DRIVERS = {
    "postgres": "postgresql+psycopg2",
    "postgresql": "postgresql+psycopg2",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "sqlite": "sqlite",
}
TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "ssl_ca", "ssl_cert", "ssl_key", "ssl_check_hostname")
EXTRAS = {*TLS, "connect_timeout", "read_timeout", "write_timeout", "application_name", "options", "unix_socket"}
"""Extras of a connection that are passed to the driver."""


class DatabaseHook(BaseHook):
    """
    Hook for one of the platform's databases.

    :param conn_id: Airflow connection of type postgres, mysql, mariadb or sqlite. If `quartet_<name>` is not defined,
        the database is on the server of `QUARTET_DATABASE_URL`; without one, it is the SQLite file
        `$QUARTET_HOME/data/<name>.db`.
    """

    conn_name_attr = "conn_id"

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id

    @contextmanager
    def engine(self, *, read_only: bool = False) -> Iterator[Engine]:
        """
        Open an engine, whose connections are closed at the end of the block.

        :param read_only: reject writes; a SQLite file must then exist, and is not created.
        :raises SettingsError: the connection's type is not supported, or it names no database file.
        :raises FileNotFoundError: the SQLite file to read does not exist.
        """
        with open_engine(self.url, read_only=read_only) as engine:
            yield engine

    @property
    def url(self) -> URL:
        """
        The database's address; its text form hides the password.

        :raises AirflowNotFoundException: the connection is not defined, or could not be looked up.
        :raises Exception: the secrets backend (`BotoCoreError`, `ClientError`), or in the API server Airflow's database
            (`SQLAlchemyError`), did not answer.
        """
        try:
            connection = self.get_connection(self.conn_id)
        except AirflowNotFoundException:
            name = re.fullmatch(r"quartet_(\w+)", self.conn_id)
            if not name or not _is_surely_undefined(self.conn_id):
                raise
            url = self._default(name[1])
            self.log.info("Connection %s is not defined, using %s", self.conn_id, url)
            return url
        return self._url_of(connection)

    @staticmethod
    def _default(name: str) -> URL:
        settings = PlatformSettings.load()
        if server := settings.database_url.get_secret_value():
            return database_address(server, name)
        return URL.create("sqlite", database=str(settings.home / "data" / f"{name}.db"))

    def _url_of(self, connection: Connection) -> URL:
        driver = DRIVERS.get((connection.conn_type or "").partition("+")[0])
        if driver is None:
            allowed = ", ".join(DRIVERS)
            raise SettingsError(f"connection {self.conn_id}: type {connection.conn_type!r}, expected one of {allowed}")
        if driver == "sqlite":
            path = connection.host or connection.schema
            if not path:
                raise SettingsError(f"connection {self.conn_id}: the SQLite file is expected as host, found none")
            return URL.create(driver, database=str(PlatformSettings.load().home / path))
        extras = connection.extra_dejson
        if not isinstance(extras, dict):
            raise SettingsError(f"connection {self.conn_id}: the extra is expected to be a JSON object")
        if ignored := extras.keys() - EXTRAS:
            self.log.info("Connection %s: ignored extras: %s", self.conn_id, ", ".join(sorted(ignored)))
        query = {name: str(extras[name]) for name in extras.keys() & EXTRAS}
        if "pymysql" in driver:
            query["charset"] = "utf8mb4"
        host = connection.host or None
        if host and host.startswith("/"):  # the folder of PostgreSQL's socket
            host, query["host"] = None, host
        return URL.create(
            driver,
            username=connection.login or None,
            password=connection.password or None,
            host=host,
            port=connection.port,
            database=connection.schema or None,
            query=query,
        )


def _is_surely_undefined(conn_id: str) -> bool:
    """Check again: Airflow also reports a connection as undefined if the lookup failed, and a file would be wrong."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse, GetConnection
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    for backend in ensure_secrets_backend_loaded():
        if backend.get_connection(conn_id) is not None:  # raises the errors that Airflow only logs
            return False
    comms = getattr(task_runner, "SUPERVISOR_COMMS", None)
    if comms is None:
        return True
    response = comms.send(GetConnection(conn_id=conn_id))
    return isinstance(response, ErrorResponse) and response.error == ErrorType.CONNECTION_NOT_FOUND
