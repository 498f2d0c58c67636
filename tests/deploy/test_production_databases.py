"""Databases and users on managed servers: PostgreSQL and MariaDB, without a superuser."""

import json
import re
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from deploy.production import databases
from include.core.errors import BadDataError
from tests.support.services import MARIADB, POSTGRES

FIRST, SECOND = "first0password0first", "second0password0second"


def run(url: URL, *statements: str) -> list[tuple]:
    """Run statements one by one and return the rows of the last."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


@pytest.fixture
def mark() -> str:
    return f"quartet_test_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def postgres_master(postgres: URL, mark: str) -> Iterator[URL]:
    """Yield the server with a user like RDS's master: it may create roles and databases, but is no superuser."""
    server, name = make_url(POSTGRES), f"{mark}_master"
    run(server, f"CREATE ROLE {name} LOGIN CREATEROLE CREATEDB PASSWORD '{FIRST}'")
    yield server.set(username=name, password=FIRST)
    for owned in (f"{mark}_a", f"{mark}_b"):
        run(server, f"DROP DATABASE IF EXISTS {owned} WITH (FORCE)", f"DROP ROLE IF EXISTS {owned}")
    run(server, f"DROP ROLE {name}")


def test_each_database_of_postgresql_has_its_own_owner(postgres_master, mark):
    one, other = f"{mark}_a", f"{mark}_b"
    databases.postgres(postgres_master, {one: FIRST, other: FIRST})
    owner = make_url(POSTGRES).set(username=one, password=FIRST, database=one)
    run(owner, "CREATE SCHEMA mine", "CREATE TABLE mine.t (n int)", "CREATE TABLE t (n int)")
    with pytest.raises(OperationalError, match="permission denied for database"):
        run(owner.set(database=other), "SELECT 1")


def test_a_second_run_keeps_the_data_and_changes_the_password(postgres_master, mark):
    def hashed() -> str:
        return run(make_url(POSTGRES), f"SELECT rolpassword FROM pg_authid WHERE rolname = '{mark}_a'")[0][0]

    databases.postgres(postgres_master, {f"{mark}_a": FIRST})
    before = hashed()
    owner = make_url(POSTGRES).set(username=f"{mark}_a", password=FIRST, database=f"{mark}_a")
    run(owner, "CREATE TABLE t AS SELECT 7 AS n")
    databases.postgres(postgres_master, {f"{mark}_a": SECOND})
    assert hashed() != before
    assert run(owner.set(password=SECOND), "SELECT n FROM t") == [(7,)]


@pytest.fixture
def mariadb_server(mariadb: URL, mark: str) -> Iterator[URL]:
    """Yield the server without a database; whatever the test creates is dropped."""
    server = make_url(MARIADB)
    yield server._replace(drivername="mariadb+pymysql", database=None)
    for name in (f"{mark}_in", f"{mark}_out", f"{mark}xin"):
        run(server, f"DROP DATABASE IF EXISTS {name}")
    for user in (f"{mark}_r", f"{mark}_w"):
        run(server, f"DROP USER IF EXISTS '{user}'@'%'")


def test_users_of_mariadb_have_privileges_on_their_schemas_only(mariadb_server, mark):
    for _ in range(2):
        databases.mariadb(mariadb_server, f"{mark}_r", FIRST, [f"{mark}_in"], "SELECT")
        databases.mariadb(mariadb_server, f"{mark}_w", FIRST, [f"{mark}_out"], "ALL PRIVILEGES")
    run(mariadb_server, f"CREATE DATABASE {mark}xin")  # `_` in a GRANT would stand for the `x` too
    reader, writer = (mariadb_server.set(username=f"{mark}_{each}", password=FIRST) for each in "rw")
    run(writer, f"CREATE TABLE {mark}_out.t (n int)")
    assert run(reader, "SHOW DATABASES LIKE 'quartet%'") == [(f"{mark}_in",)]
    with pytest.raises(DBAPIError, match="denied"):
        run(reader, f"CREATE TABLE {mark}_in.t (n int)")
    with pytest.raises(DBAPIError, match="denied"):
        run(writer, f"CREATE TABLE {mark}_in.t (n int)")


def test_a_second_run_changes_the_password_in_mariadb(mariadb_server, mark):
    databases.mariadb(mariadb_server, f"{mark}_r", FIRST, [f"{mark}_in"], "SELECT")
    databases.mariadb(mariadb_server, f"{mark}_r", SECOND, [f"{mark}_in"], "SELECT")
    user = mariadb_server.set(username=f"{mark}_r")
    assert run(user.set(password=SECOND), "SELECT 1") == [(1,)]
    with pytest.raises(OperationalError, match="Access denied"):
        run(user.set(password=FIRST), "SELECT 1")


@pytest.mark.parametrize("name", ["a;b", "a b", 'a"b', ""])
def test_invalid_names_are_refused(postgres_master, name):
    with pytest.raises(BadDataError, match="name"):
        databases.postgres(postgres_master, {name: FIRST})


def test_a_failure_names_the_server_and_no_password(postgres_master, monkeypatch, caplog):
    secret = {
        "username": postgres_master.username,
        "password": FIRST,
        "host": postgres_master.host,
        "port": postgres_master.port or 5432,
    }
    monkeypatch.setenv("POSTGRES_MASTER", json.dumps(secret))
    monkeypatch.setattr(databases, "POSTGRES_USERS", ("postgres",))  # which this user may not change
    monkeypatch.setenv("POSTGRES_PASSWORD", SECOND)
    with caplog.at_level("INFO"):
        assert databases.main() == 1
    assert re.search("superuser|permission denied", caplog.text)  # in the words of this version
    assert SECOND not in caplog.text


def test_a_variable_that_is_missing_is_named(monkeypatch, caplog):
    monkeypatch.delenv("POSTGRES_MASTER", raising=False)
    assert databases.main() == 1
    assert "POSTGRES_MASTER" in caplog.text
