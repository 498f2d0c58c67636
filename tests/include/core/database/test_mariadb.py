"""A MariaDB server that accepts connections and then says nothing, or stops in the middle."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import URL, Engine, make_url, select, text
from sqlalchemy.exc import OperationalError

from include.core.database.bulk import stream
from include.core.database.engine import open_engine
from include.core.database.errors import SilentServerError, classify_errors, is_timeout, is_transient, retry
from include.core.database.mariadb import with_timeouts
from include.core.errors import BadDataError, TransientError


def by_pymysql(engine: Engine, statement: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(statement)).all()


def by_asyncmy(engine: Engine, statement: str) -> Any:
    return [row for part in stream(engine, select(text(statement.removeprefix("SELECT "))), 9) for row in part]


DRIVERS = pytest.mark.parametrize("query", [by_pymysql, by_asyncmy])
Query = Callable[[Engine, str], Any]


@pytest.fixture
def silent_url(silent_server: tuple[str, int]) -> URL:
    host, port = silent_server
    return URL.create("mariadb+pymysql", "me", host=host, port=port, database="db")


@DRIVERS
def test_a_server_that_never_greets_is_given_up_after_the_time_to_connect(silent_url, query: Query):
    began = time.monotonic()
    with (
        open_engine(with_timeouts(silent_url, 1, 600)) as engine,
        pytest.raises(SilentServerError, match="does not answer") as raised,
        classify_errors(),
    ):
        retry()(query, engine, "SELECT 1")  # once, since each attempt costs the full time
    assert 0.9 < time.monotonic() - began < 3
    assert isinstance(raised.value, TransientError)
    assert not isinstance(raised.value, BadDataError)


@DRIVERS
def test_an_answer_may_take_longer_than_the_login_but_not_for_ever(mariadb, query: Query):
    with open_engine(with_timeouts(mariadb, 1, 3)) as engine:
        assert list(query(engine, "SELECT SLEEP(1.5)")[0]) == [0]
        began = time.monotonic()
        with pytest.raises(SilentServerError, match="timed out"), classify_errors():
            query(engine, "SELECT SLEEP(30)")
        assert time.monotonic() - began < 6
        assert list(query(engine, "SELECT 7")[0]) == [7]


def test_a_timeout_is_transient(silent_url):
    with open_engine(with_timeouts(silent_url, 1, 1)) as engine, pytest.raises(OperationalError) as raised:
        engine.connect()
    assert is_timeout(raised.value)
    assert is_transient(raised.value)


def test_other_databases_have_no_such_limits():
    for address in ("sqlite:///x.db", "postgresql+psycopg2://host/db"):
        url = make_url(address)
        assert with_timeouts(url, 1, 1) == url
