"""Fixtures of services: real PostgreSQL and MariaDB, moto's S3 server, and one that is silent.

A database that does not answer skips the test; with `CI=true` it fails it.
"""

import atexit
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from functools import cache

import pytest
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

POSTGRES = os.environ.get("QUARTET_TEST_POSTGRES") or "postgresql+psycopg2://postgres@127.0.0.1:5432/postgres"
MARIADB = os.environ.get("QUARTET_TEST_MARIADB") or "mysql+pymysql://root@127.0.0.1:3306/mysql"


@cache
def _administration(server: str) -> Engine:
    """Connect to a server once: a connection takes longer than a database, since it loads certificates."""
    engine = create_engine(make_url(server), isolation_level="AUTOCOMMIT", pool_pre_ping=True)
    atexit.register(engine.dispose)
    return engine


def fresh_database(server: str) -> Iterator[URL]:
    """Create a database with a unique name, and drop it at the end."""
    name = f"quartet_test_{uuid.uuid4().hex}"
    engine = _administration(server)
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no database server at {engine.url!r}: {error.orig}")
    try:
        yield engine.url.set(database=name)
    finally:
        with engine.connect() as connection:
            force = " WITH (FORCE)" if engine.dialect.name == "postgresql" else ""
            connection.execute(text(f"DROP DATABASE {name}{force}"))


@pytest.fixture
def postgres() -> Iterator[URL]:
    """Yield the URL of an empty PostgreSQL database on `QUARTET_TEST_POSTGRES` or the local server."""
    yield from fresh_database(POSTGRES)


@pytest.fixture
def mariadb() -> Iterator[URL]:
    """Yield the URL of an empty MariaDB database on `QUARTET_TEST_MARIADB` or the local server."""
    yield from fresh_database(MARIADB)


@pytest.fixture
def silent_server() -> Iterator[tuple[str, int]]:
    """Yield host and port of a server that accepts connections, and never sends a byte."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """
    Yield the URL of an S3 server: moto, in its own process.

    A thread would not do: Delta's library holds Python's lock while it waits for the server.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "moto.log"
    with log.open("w") as output:
        line = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(line, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not _answers(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def s3_storage(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Set a new bucket as the platform's storage, and return its root URL."""
    import boto3
    from airflow.sdk.io import store

    bucket = f"bucket-{uuid.uuid4().hex}"
    extra = f'{{"endpoint_url": "{s3_server}", "region_name": "eu-central-1"}}'
    connection = f'{{"conn_type": "aws", "login": "id", "password": "secret", "extra": {extra}}}'
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_STORAGE", connection)
    monkeypatch.setenv("QUARTET_STORAGE", f"s3://{bucket}/root")
    client = boto3.client(
        "s3", "eu-central-1", endpoint_url=s3_server, aws_access_key_id="id", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    store._STORE_CACHE.clear()
    yield f"s3://{bucket}/root"
    store._STORE_CACHE.clear()
