"""DatabaseHook: SQLite always, PostgreSQL and MariaDB on real servers."""

import json
import sqlite3
import threading
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException, ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse
from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from include.core.errors import SettingsError
from quartet.hooks.database import DatabaseHook

PASSWORD = "pass word/ü"


def define(monkeypatch: pytest.MonkeyPatch, conn_type: str, **fields) -> DatabaseHook:
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", json.dumps({"conn_type": conn_type, **fields}))
    return DatabaseHook("quartet_articles")


def define_url(monkeypatch: pytest.MonkeyPatch, conn_type: str, url: URL) -> DatabaseHook:
    return define(
        monkeypatch,
        conn_type,
        host=url.host,
        port=url.port,
        login=url.username,
        password=url.password or "",
        schema=url.database,
    )


@pytest.fixture(params=["sqlite", "postgres", "mysql", "mariadb"])
def database(request, monkeypatch, home) -> DatabaseHook:
    """Return a hook for an empty database of each kind."""
    if request.param == "sqlite":
        return DatabaseHook("quartet_articles")
    url = request.getfixturevalue("postgres" if request.param == "postgres" else "mariadb")
    return define_url(monkeypatch, request.param, url)


def one(engine: Engine, statement: str, **parameters):
    with engine.connect() as connection:
        return connection.execute(text(statement), parameters).scalar()


def test_what_is_written_is_read_in_any_script(database):
    with database.engine() as engine, engine.begin() as connection:
        connection.execute(text("CREATE TABLE articles (id INTEGER PRIMARY KEY, title VARCHAR(100))"))
        connection.execute(text("INSERT INTO articles VALUES (1, :title)"), {"title": "Amélie 🎬 中文"})
    with database.engine(read_only=True) as engine:
        assert one(engine, "SELECT title FROM articles") == "Amélie 🎬 中文"


def test_a_failed_transaction_leaves_nothing(database):
    with database.engine() as engine:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE articles (id INTEGER PRIMARY KEY)"))
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text("INSERT INTO articles VALUES (1), (2), (1)"))
        assert one(engine, "SELECT count(*) FROM articles") == 0


def test_a_read_only_user_cannot_write(database):
    with database.engine() as engine, engine.begin() as connection:
        connection.execute(text("CREATE TABLE articles (id INTEGER PRIMARY KEY)"))
    with database.engine(read_only=True) as engine:
        for _ in range(2):  # the second time on a connection from the pool
            with pytest.raises(DBAPIError, match=r"(?i)read.?only"), engine.begin() as connection:
                connection.execute(text("INSERT INTO articles VALUES (1)"))
        assert one(engine, "SELECT count(*) FROM articles") == 0


@pytest.mark.parametrize(
    ("kind", "own", "kill"),
    [
        ("postgres", "SELECT pg_backend_pid()", "SELECT pg_terminate_backend(%d)"),
        ("mariadb", "SELECT CONNECTION_ID()", "KILL %d"),
    ],
)
def test_a_dropped_connection_is_reopened(request, monkeypatch, kind, own, kill):
    hook = define_url(monkeypatch, kind, request.getfixturevalue(kind))
    with hook.engine() as engine, hook.engine() as other:
        idle = one(engine, own)
        with other.connect() as connection:
            connection.execute(text(kill % idle))
        assert one(engine, own) != idle


def test_all_connections_are_closed_at_the_end(database):
    with database.engine() as engine:
        one(engine, "SELECT 1")
        assert engine.pool.checkedin() == 1  # pyright: ignore[reportAttributeAccessIssue]
    assert engine.pool.checkedin() == 0  # pyright: ignore[reportAttributeAccessIssue]


def test_values_are_not_in_errors(database):
    with database.engine() as engine:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE readers (id INTEGER NOT NULL, name VARCHAR(20))"))
        with pytest.raises(DBAPIError, match="parameters hidden") as error, engine.begin() as connection:
            connection.execute(text("INSERT INTO readers VALUES (NULL, :name)"), {"name": "secret name"})
    shown = str(error.value).partition("DETAIL:  Failing row")[0]  # PostgreSQL itself tells the row
    assert "secret name" not in shown


@pytest.mark.parametrize("kind", ["postgres", "mysql", "mariadb"])
def test_a_password_is_never_shown(kind, monkeypatch, caplog, capsys):
    hook = define(monkeypatch, kind, host="127.0.0.1", port=9, login="reader", password=PASSWORD, schema="articles")
    assert hook.url.password == PASSWORD
    with hook.engine() as engine, pytest.raises(OperationalError) as error:
        engine.connect()
    seen = [repr(hook), str(vars(hook)), str(hook.url), repr(hook.url), repr(engine), str(engine.url)]
    seen += [str(error.value), repr(error.value), repr(error.value.__cause__), caplog.text, *capsys.readouterr()]
    assert not [each for each in seen if "pass word" in each or "pass%20word" in each or "pass+word" in each]


def test_a_rejected_password_is_not_shown(monkeypatch, mariadb):
    url = mariadb.set(username="nobody", password=PASSWORD)
    with define_url(monkeypatch, "mysql", url).engine() as engine, pytest.raises(OperationalError) as error:
        engine.connect()
    assert "nobody" in str(error.value)
    assert "pass word" not in str(error.value)


def test_extras_that_the_driver_knows_are_passed_on(monkeypatch):
    extra = {"sslmode": "require", "connect_timeout": 3, "cursor": "dictcursor"}
    hook = define(monkeypatch, "postgres", host="db", schema="articles", extra=extra)
    assert hook.url.render_as_string() == ("postgresql+psycopg2://db/articles?connect_timeout=3&sslmode=require")
    assert define(monkeypatch, "mysql", host="db").url.query == {"charset": "utf8mb4"}


def test_a_connection_may_be_given_as_a_url(monkeypatch, tmp_path):
    for given, url in [
        ("postgresql://u@db:5/articles", "postgresql+psycopg2://u@db:5/articles"),
        ("mysql+pymysql://u@db/articles", "mysql+pymysql://u@db/articles?charset=utf8mb4"),
        (f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/a.db"),
        (f"sqlite:///{tmp_path}/a%20b.db", f"sqlite:///{tmp_path}/a b.db"),
    ]:
        monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", given)
        assert str(DatabaseHook("quartet_articles").url) == url


@pytest.mark.parametrize("kind", ["mssql", "http", "aws"])
def test_an_unsupported_type_is_rejected_by_name(monkeypatch, kind):
    with pytest.raises(ValueError, match=f"connection quartet_articles: type '{kind}', expected one of postgres, "):
        _ = define(monkeypatch, kind, host="db").url


def test_an_extra_that_is_no_object_is_rejected(monkeypatch):
    with pytest.raises(SettingsError, match="connection quartet_articles: the extra is expected to be a JSON object"):
        _ = define(monkeypatch, "postgres", host="db", extra="[1]").url


def test_a_sqlite_connection_needs_a_file(monkeypatch):
    with pytest.raises(ValueError, match="the SQLite file is expected as host"):
        _ = define(monkeypatch, "sqlite").url


def test_an_undefined_connection_of_ours_is_a_file(home):
    with DatabaseHook("quartet_articles").engine() as engine:
        one(engine, "SELECT 1")
        assert one(engine, "PRAGMA journal_mode") == "wal"
        assert one(engine, "PRAGMA foreign_keys") == 1
        assert one(engine, "PRAGMA busy_timeout") == 30_000
    assert [path.name for path in (home / "data").iterdir()] == ["articles.db"]


def test_any_other_connection_must_be_defined(home):
    with pytest.raises(AirflowNotFoundException):
        _ = DatabaseHook("warehouse").url


@pytest.mark.parametrize(
    ("error", "is_file"), [(ErrorType.CONNECTION_NOT_FOUND, True), (ErrorType.API_SERVER_ERROR, False)]
)
def test_a_failed_lookup_is_not_mistaken_for_a_file(home, monkeypatch, error, is_file):
    comms = SimpleNamespace(send=lambda _: ErrorResponse(error=error))
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", comms, raising=False)
    if is_file:
        assert DatabaseHook("quartet_articles").url.drivername == "sqlite"
    else:
        with pytest.raises(AirflowNotFoundException):
            _ = DatabaseHook("quartet_articles").url


@pytest.mark.parametrize("is_there", [True, False])
def test_an_api_server_without_airflows_database_does_not_use_a_file(home, monkeypatch, is_there):
    def look(*_, **__) -> None:
        if not is_there:
            raise OperationalError("SELECT", {}, sqlite3.OperationalError("unable to open database file"))

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setattr("airflow.secrets.metastore.MetastoreBackend.get_connection", look)
    if is_there:
        assert DatabaseHook("quartet_articles").url.drivername == "sqlite"
    else:
        with pytest.raises(OperationalError, match="unable to open"):
            _ = DatabaseHook("quartet_articles").url


def test_reading_does_not_create_a_missing_file(home):
    with (
        pytest.raises(FileNotFoundError, match=r"no SQLite database .*/data/articles\.db"),
        DatabaseHook("quartet_articles").engine(read_only=True),
    ):
        pass
    assert list(home.iterdir()) == []


def test_a_source_in_an_oddly_named_folder_is_read_and_left_unchanged(monkeypatch, tmp_path):
    folder = tmp_path / "50% of #1? ü"
    folder.mkdir()
    with sqlite3.connect(folder / "a.db") as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS n")
    connection.close()
    before = (folder / "a.db").read_bytes()
    with define(monkeypatch, "sqlite", host=str(folder / "a.db")).engine(read_only=True) as engine:
        assert one(engine, "SELECT n FROM t") == 7
    assert [path.name for path in folder.iterdir()] == ["a.db"]
    assert (folder / "a.db").read_bytes() == before


def test_a_relative_file_lies_below_home(monkeypatch, home):
    assert define(monkeypatch, "sqlite", host="own/a.db").url.database == str(home / "own/a.db")


def test_writers_wait_for_each_other(home):
    hook = DatabaseHook("quartet_articles")
    with hook.engine() as engine:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE t (n INTEGER)"))

        def write(number: int) -> None:
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": number})

        threads = [threading.Thread(target=write, args=(number,)) for number in range(10)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert one(engine, "SELECT count(*) FROM t") == 10
