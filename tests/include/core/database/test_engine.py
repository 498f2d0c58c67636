"""Engines, big results in parts, and which errors can be mended by another try."""

import gc
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from threading import Barrier

import psycopg2
import pytest
from asyncmy.errors import OperationalError as AsyncError
from pymysql.err import IntegrityError as WrongRow
from pymysql.err import OperationalError as DriverError
from sqlalchemy import (
    URL,
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    column,
    create_engine,
    func,
    inspect,
    literal,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from include.core.database.bulk import gc_disabled, insert_rows, seconds_since, stream
from include.core.database.engine import open_engine
from include.core.database.errors import DatabaseRefusedError, classify_errors, code, is_transient, retry, sqlstate

THINGS = Table(
    "things", MetaData(), Column("id", Integer, primary_key=True, autoincrement=False), Column("name", String(5))
)


@pytest.fixture(params=["sqlite", "mariadb", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """Return a database with the empty table `things`."""
    if request.param == "sqlite":
        found = make_url(f"sqlite:///{tmp_path}/folder/file.db")
    else:
        found = request.getfixturevalue(request.param)
        if request.param == "mariadb":
            found = found.update_query_dict({"charset": "utf8mb4"})
    with open_engine(found) as engine:
        THINGS.create(engine)
    return found


def rows(engine: Engine, part: int = 100) -> list[tuple]:
    return [row for rows in stream(engine, select(THINGS).order_by(THINGS.c.id), part) for row in rows]


def fill(engine: Engine, *things: tuple[int, str | None]) -> None:
    with engine.begin() as connection:
        insert_rows(connection, THINGS, ["id", "name"], things)


def wrapped(error: BaseException) -> DBAPIError:
    return OperationalError("SELECT 1", {}, error)


def test_rows_come_back_in_parts(url):
    with open_engine(url) as engine:
        fill(engine, *((number, f"n{number}") for number in range(7)))
        parts = list(stream(engine, select(THINGS.c.name).order_by(THINGS.c.id), 3))
    assert parts == [[("n0",), ("n1",), ("n2",)], [("n3",), ("n4",), ("n5",)], [("n6",)]]


def test_parameters_of_a_stream_are_bound(url):
    with open_engine(url) as engine:
        fill(engine, (1, "a'b"), (2, "%s"), (3, "\\"), (4, "😀"))
        for number, name in ((1, "a'b"), (2, "%s"), (3, "\\"), (4, "😀")):
            statement = select(THINGS.c.id).where(THINGS.c.name == name, THINGS.c.id.in_([1, 2, 3, 4]))
            assert list(stream(engine, statement, 9)) == [[(number,)]]


def test_an_empty_result_has_no_part(url):
    with open_engine(url) as engine:
        assert list(stream(engine, select(THINGS), 9)) == []


def test_a_stream_may_be_left_and_another_one_follows(url):
    with open_engine(url) as engine:
        fill(engine, *((number, "n") for number in range(50)))
        first = stream(engine, select(THINGS), 1)
        assert len(next(first)) == 1
        first.close()
        assert len(rows(engine)) == 50


def test_rows_are_inserted_in_the_order_of_the_names(url):
    with open_engine(url) as engine, engine.begin() as connection:
        insert_rows(connection, THINGS, ["name", "id"], [("b", 2), (None, 1), ("%s'\"", 3)])
    with open_engine(url) as engine:
        assert rows(engine) == [(1, None), (2, "b"), (3, "%s'\"")]


def test_no_row_inserts_nothing(url):
    with open_engine(url) as engine:
        fill(engine)
        assert rows(engine) == []


def test_a_transaction_that_fails_leaves_nothing(url):
    with open_engine(url) as engine:
        with pytest.raises(IntegrityError):
            fill(engine, (1, "a"), (1, "b"))
        assert rows(engine) == []


def test_a_read_only_engine_writes_nothing(url):
    with open_engine(url, read_only=True) as engine:
        assert rows(engine) == []
        with pytest.raises(DBAPIError, match=r"(?i)read-?\s?only"):
            fill(engine, (1, "a"))


@pytest.mark.parametrize("url", ["sqlite", "mariadb"], indirect=True)
def test_seconds_since_a_start(url):
    moments = {"2020-01-01 00:00:00": 0, "2020-01-01 00:00:01": 1, "2020-03-01 00:00:00": 60 * 86_400}
    with open_engine(url) as engine, engine.connect() as connection:
        for moment, seconds in moments.items():
            found = connection.scalar(select(seconds_since(engine, datetime(2020, 1, 1), literal(moment))))
            assert found == seconds


def test_all_connections_are_closed_at_the_end(mariadb):
    own = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = :db"
    with open_engine(mariadb) as engine:
        list(stream(engine, select(literal(1)), 1))
    watcher = create_engine(mariadb.set(database="mysql"))
    with watcher.connect() as connection:
        assert connection.scalar(text(own), {"db": mariadb.database}) == 0
    watcher.dispose()


@pytest.mark.parametrize("url", ["mariadb"], indirect=True)
class TestMariaDB:
    """Sessions of MariaDB."""

    def test_a_value_that_is_too_long_is_an_error(self, url):
        with open_engine(url) as engine:
            with pytest.raises(DBAPIError, match="Data too long"):
                fill(engine, (1, "sixsix"))
            with engine.connect() as connection:
                assert "STRICT_ALL_TABLES" in connection.scalar(text("SELECT @@sql_mode"))

    def test_a_select_locks_no_gaps(self, url):
        with open_engine(url) as engine, engine.connect() as connection:
            assert connection.scalar(text("SELECT @@tx_isolation")) == "READ-COMMITTED"

    @pytest.mark.parametrize(("kill", "number"), [("KILL", {2013, 1927}), ("KILL QUERY", {1317})])
    def test_a_stream_that_is_cut_off_raises(self, url, kill, number):
        running = text("SELECT id FROM information_schema.processlist WHERE db = :db AND info LIKE '%seq_1_to%'")
        many = select(func.repeat("x", 1_000)).select_from(text("seq_1_to_100000"))
        with open_engine(url) as engine:
            parts = stream(engine, many, 10)
            assert len(next(parts)) == 10
            with engine.connect() as connection:
                mine = connection.scalar(text("SELECT CONNECTION_ID()"))
                found = connection.scalars(running, {"db": url.database}).all()
                for other in set(found) - {mine}:
                    connection.execute(text(f"{kill} {other}"))
            with pytest.raises(AsyncError) as raised:
                list(parts)
        assert code(raised.value) in number
        assert is_transient(raised.value)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
class TestSQLite:
    """Files of SQLite."""

    def test_a_missing_file_is_not_made_by_reading(self, url, tmp_path):
        for name in ("none.db", "no folder/none.db"):
            missing = url.set(database=str(tmp_path / name))
            with (
                pytest.raises(FileNotFoundError, match="there is no SQLite database"),
                open_engine(missing, read_only=True),
            ):
                pass
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]

    def test_a_path_with_special_characters_can_be_read(self, url, tmp_path):
        odd = url.set(database=str(tmp_path / "a b?c#d%e" / "f&g.db"))
        with open_engine(odd) as engine:
            THINGS.create(engine)
        with open_engine(odd, read_only=True) as engine:
            assert rows(engine) == []

    def test_transactions_that_read_and_then_write_wait_for_each_other(self, url):
        with open_engine(url) as engine, ThreadPoolExecutor(4) as pool:

            def count_up(_: int) -> None:
                with engine.begin() as connection:
                    number = connection.scalar(select(func.count()).select_from(THINGS))
                    insert_rows(connection, THINGS, ["id", "name"], [(number, "n")])

            list(pool.map(count_up, range(40)))
            assert [row[0] for row in rows(engine)] == list(range(40))

    def test_readers_do_not_wait_for_a_writer(self, url):
        with open_engine(url) as writer, open_engine(url, read_only=True) as reader, writer.begin() as connection:
            insert_rows(connection, THINGS, ["id", "name"], [(1, "a")])
            assert rows(reader) == []


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
class TestPostgreSQL:
    """Sessions of PostgreSQL."""

    def test_a_session_that_an_administrator_ends_passes(self, url):
        with open_engine(url) as engine, engine.connect() as connection, engine.connect() as other:
            pid = connection.scalar(text("SELECT pg_backend_pid()"))
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            with pytest.raises(DBAPIError) as raised:
                connection.execute(select(THINGS))
            assert sqlstate(raised.value) in ("57P01", "")  # the driver may see no more than that it is gone
            assert is_transient(raised.value)

    def test_a_query_that_somebody_cancels_passes(self, url):
        with open_engine(url) as engine, engine.connect() as connection:
            connection.execute(text("SET statement_timeout = 10"))
            with pytest.raises(DBAPIError) as raised:
                connection.execute(text("SELECT pg_sleep(10)"))
            assert sqlstate(raised.value) == "57014"
            assert is_transient(raised.value)

    def test_a_deadlock_passes(self, url):
        with open_engine(url) as engine:
            fill(engine, (1, "a"), (2, "b"))
            start = Barrier(2)

            def change(first: int, second: int) -> BaseException | None:
                try:
                    with engine.begin() as connection:
                        connection.execute(text("SET LOCAL deadlock_timeout = 50"))
                        connection.execute(text("UPDATE things SET name = 'x' WHERE id = :id"), {"id": first})
                        start.wait()
                        connection.execute(text("UPDATE things SET name = 'x' WHERE id = :id"), {"id": second})
                except DBAPIError as error:
                    return error
                return None

            with ThreadPoolExecutor(2) as pool:
                errors = [error for error in pool.map(change, (1, 2), (2, 1)) if error]
        assert [sqlstate(error) for error in errors] == ["40P01"]
        assert is_transient(errors[0])

    def test_a_server_that_is_not_there_passes(self, url):
        with open_engine(url.set(port=9)) as engine, pytest.raises(OperationalError) as raised, classify_errors():
            engine.connect()
        assert sqlstate(raised.value) == ""
        assert is_transient(raised.value)

    @pytest.mark.parametrize("wrong", [{"database": "no_such_database"}, {"username": "nobody"}])
    def test_a_missing_database_or_user_is_told_apart(self, url, wrong):
        with (
            pytest.raises(DatabaseRefusedError, match=r"no_such_database|nobody") as raised,
            classify_errors(),
            open_engine(url.set(**wrong)) as engine,
        ):
            engine.connect()
        assert raised.value.__cause__
        assert not is_transient(raised.value.__cause__)

    def test_a_table_that_others_own_is_told_apart(self, url):
        with open_engine(url) as engine, engine.connect() as connection:
            connection.execute(text("SET ROLE pg_monitor"))
            with pytest.raises(DatabaseRefusedError, match=r"access is denied: .*things"), classify_errors():
                connection.execute(select(THINGS))


class ServerError(psycopg2.OperationalError):
    """An error like psycopg2's, with any SQLSTATE."""

    def __init__(self, state: str | None, message: str = "") -> None:
        super().__init__(message)
        self.state = state

    @property
    def pgcode(self) -> str | None:
        """The SQLSTATE."""
        return self.state


@pytest.mark.parametrize(
    "state", ["08000", "08006", "40001", "40P01", "53300", "55P03", "57014", "57P01", "57P02", "57P03"]
)
def test_errors_of_postgresql_that_pass(state):
    error = wrapped(ServerError(state))
    assert sqlstate(error) == state
    assert is_transient(error)
    with pytest.raises(OperationalError) as raised, classify_errors():
        raise error
    assert raised.value is error


@pytest.mark.parametrize(
    ("state", "message"),
    [(state, "why") for state in ("28000", "28P01", "3D000", "42501", "42703", "42P01")]
    + [
        (None, 'FATAL:  password authentication failed for user "a"'),
        (None, 'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "a", database "b"'),
        (None, "fe_sendauth: no password supplied"),
        (None, 'FATAL:  permission denied for database "b"'),
    ],
)
def test_errors_of_postgresql_that_another_try_cannot_mend(state, message):
    error = wrapped(ServerError(state, message))
    assert not is_transient(error)
    with pytest.raises(DatabaseRefusedError) as raised, classify_errors():
        raise error
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "message", ["FATAL:  the database system is starting up", "server closed the connection unexpectedly"]
)
def test_a_server_that_restarts_passes(message):
    assert is_transient(wrapped(ServerError(None, message)))


def test_other_errors_of_postgresql_stay_what_they_are():
    for error in (IntegrityError("", {}, ServerError("23505")), ProgrammingError("", {}, ServerError(None))):
        assert not is_transient(error)
        with pytest.raises(type(error)) as raised, classify_errors():
            raise error
        assert raised.value is error


def test_the_number_of_an_error():
    assert code(wrapped(DriverError(1213, "Deadlock"))) == 1213
    assert code(AsyncError(2013, "Lost connection")) == 2013
    assert code(wrapped(sqlite3.OperationalError("no such table: x"))) is None
    assert code(wrapped(DriverError())) is None
    assert code(ValueError(1213)) is None


@pytest.mark.parametrize("number", [1205, 1213, 1317, 1927, 2006, 2013])
def test_errors_that_pass(number):
    assert is_transient(wrapped(DriverError(number, "")))
    assert is_transient(AsyncError(number, ""))


def test_a_locked_file_passes():
    assert is_transient(wrapped(sqlite3.OperationalError("database is locked")))


@pytest.mark.parametrize(
    "error",
    [
        wrapped(DriverError(1146, "")),
        IntegrityError("", {}, WrongRow(1062, "Duplicate entry")),
        wrapped(sqlite3.OperationalError("no such table: x")),
        ValueError("database is locked"),
        OSError(1213, "else"),
    ],
)
def test_errors_that_do_not_pass(error):
    assert not is_transient(error)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the waits between attempts."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


def test_another_try_follows_an_error_that_passes(quick):
    errors = [wrapped(DriverError(1213, "")), wrapped(DriverError(2013, ""))]

    def work(value: int) -> int:
        if errors:
            raise errors.pop()
        return value

    assert retry()(work, 7) == 7


@pytest.mark.parametrize(("number", "expected"), [(1213, 6), (1146, 1)])
def test_tries_come_to_an_end(quick, number, expected):
    error, made = wrapped(DriverError(number, "")), []

    def work() -> None:
        made.append(1)
        raise error

    with pytest.raises(OperationalError) as raised:
        retry()(work)
    assert raised.value is error
    assert len(made) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(0, 6), (60, 12)])
def test_tries_go_on_for_some_seconds(monkeypatch, seconds, expected):
    now, waited = [0.0], []

    def sleep(_: float) -> None:
        waited.append(1)
        now[0] += 5.5

    monkeypatch.setattr("tenacity.nap.time.sleep", sleep)
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def work() -> None:
        raise wrapped(ServerError("57P03"))

    with pytest.raises(OperationalError):
        retry(seconds=seconds)(work)
    assert len(waited) + 1 == expected


@pytest.mark.parametrize("number", [1044, 1045, 1049, 1054, 1142, 1146, 1644, 1698])
@pytest.mark.parametrize("wrap", [lambda number: wrapped(DriverError(number, "why")), lambda n: AsyncError(n, "why")])
def test_errors_that_another_try_cannot_mend_are_told_apart(number, wrap):
    with pytest.raises(DatabaseRefusedError, match="why") as raised, classify_errors():
        raise wrap(number)
    assert isinstance(raised.value, ValueError)
    assert code(raised.value.__cause__) == number


@pytest.mark.parametrize("error", [wrapped(DriverError(1213, "")), AsyncError(2013, ""), KeyError("x")])
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as raised, classify_errors():
        raise error
    assert raised.value is error


def test_a_missing_table_or_column_is_told_apart(url):
    with open_engine(url) as engine:
        for wrong in (select(text("1")).select_from(text("no_thing")), select(column("nowhere")).select_from(THINGS)):
            with pytest.raises(DatabaseRefusedError, match=r"no_thing|nowhere"), classify_errors():
                list(stream(engine, wrong, 1))
            with (
                pytest.raises(DatabaseRefusedError, match=r"no_thing|nowhere"),
                classify_errors(),
                engine.connect() as opened,
            ):
                opened.execute(wrong)
        with pytest.raises(DatabaseRefusedError, match="no_thing"), classify_errors():
            inspect(engine).get_indexes("no_thing")


@pytest.mark.parametrize("url", ["mariadb"], indirect=True)
def test_a_missing_database_and_a_wrong_user_are_told_apart(url):
    for wrong in (url.set(database="no_such_database"), url.set(username="nobody", password="wrong")):
        with (
            pytest.raises(DatabaseRefusedError, match=r"the database does not exist|is denied|is wrong"),
            classify_errors(),
            open_engine(wrong) as engine,
            engine.connect(),
        ):
            pass


@pytest.mark.parametrize("url", ["mariadb"], indirect=True)
def test_a_trigger_that_refuses_is_told_apart(url):
    with open_engine(url) as engine:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER refuse BEFORE INSERT ON things FOR EACH ROW "
                "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'"
            )
        with pytest.raises(DatabaseRefusedError, match=r"a trigger rejects the row: .*not this one"), classify_errors():
            fill(engine, (1, "a"))


def test_the_collector_is_paused_and_comes_back_after_an_error_too():
    with gc_disabled():
        assert not gc.isenabled()
        with gc_disabled():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(KeyError), gc_disabled():
        raise KeyError
    assert gc.isenabled()
