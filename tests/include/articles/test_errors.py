"""Every error of storage, libraries and database stays wrong or may pass, and names what it is about."""

import errno
import sqlite3

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from sqlalchemy import URL, insert, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from include.articles.database.tables import METADATA, MODEL
from include.articles.errors import classify_errors
from include.core.database import engine as engine_module
from include.core.database.engine import open_engine
from include.core.errors import BadDataError, NothingToDoError, TransientError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "runs/paths.parquet"), BadDataError),
        (PermissionError(errno.EACCES, "Permission denied", "a.gz"), BadDataError),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "runs"), BadDataError),
        (OSError(errno.ENOSPC, "No space left on device"), TransientError),
        (OSError(errno.EIO, "Input/output error"), TransientError),
        (ConnectionResetError("reset"), TransientError),
        (TimeoutError("slow"), TransientError),
        (EndpointConnectionError(endpoint_url="https://s3.example"), TransientError),
        (ClientError({"Error": {"Code": "SlowDown"}}, "PutObject"), TransientError),
        (NoCredentialsError(), BadDataError),
        (pa.ArrowInvalid("not Parquet"), BadDataError),
        (pa.ArrowNotImplementedError("no such type"), BadDataError),
        (PoolTimeoutError("QueuePool limit"), TransientError),
    ],
)
def test_errors_have_a_class(error, expected):
    with pytest.raises(expected) as caught, classify_errors():
        raise error
    assert str(error) in str(caught.value)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [BadDataError("a"), TransientError("b"), NothingToDoError("c"), TypeError("defect")])
def test_errors_that_have_a_class_stay_as_they_are(error):
    with pytest.raises(type(error)) as caught, classify_errors(), classify_errors():
        raise error
    assert caught.value is error


def execute(url: URL, statement, values: dict) -> None:
    with classify_errors(), open_engine(url) as engine:
        METADATA.create_all(engine)
        with engine.begin() as connection:
            connection.execute(text(statement) if isinstance(statement, str) else statement, values)


def failure(url: URL, statement, expected: type[Exception], match: str, **values) -> None:
    with pytest.raises(expected, match=match):
        execute(url, statement, values)


BAD = "INSERT INTO model (site, type, status, data_as_of, run_id, created_at, updated_at) VALUES "
TIMES = "'2026-03-10', 'r', '2026-03-10', '2026-03-10'"


@pytest.mark.parametrize("server", ["sqlite", "postgres"])
def test_what_a_database_refuses_stays_wrong(request, tmp_path, server):
    sqlite = URL.create("sqlite", database=str(tmp_path / "articles.db"))
    url = sqlite if server == "sqlite" else request.getfixturevalue("postgres")
    failure(url, f"{BAD} ('s', 'article', 'lost', {TIMES})", BadDataError, "the database: .*(?i:check)")
    failure(url, f"{BAD} (NULL, 'article', 'stale', {TIMES})", BadDataError, "the database: .*(?i:null)")
    failure(url, "SELECT * FROM lost", BadDataError, "lost")
    failure(url, insert(MODEL).values(site="s", created_at="today"), BadDataError, "today|date|tzinfo")


def test_a_server_that_is_away_may_come_back():
    url = URL.create("postgresql+psycopg2", "someone", "s3cret", "127.0.0.1", 1, "articles")
    failure(url, "SELECT 1", TransientError, "the database: .*Connection refused")


def test_a_wrong_password_stays_wrong(postgres):
    failure(postgres.set(database="nowhere"), "SELECT 1", BadDataError, "does not exist")


def test_a_file_that_is_no_database_stays_wrong(tmp_path):
    (tmp_path / "text.db").write_text("no database, but longer than a header of one, so that it is looked at" * 9)
    failure(URL.create("sqlite", database=str(tmp_path / "text.db")), "SELECT 1", BadDataError, "is not a database")
    (tmp_path / "folder.db").mkdir()
    failure(URL.create("sqlite", database=str(tmp_path / "folder.db")), "SELECT 1", BadDataError, "unable to open")
    failure(URL.create("sqlite", database=str(tmp_path / "text.db" / "a.db")), "SELECT 1", BadDataError, "text.db")


def test_a_database_that_is_locked_may_be_free_later(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_module, "SQLITE_BUSY_SECONDS", 0)
    url = URL.create("sqlite", database=str(tmp_path / "articles.db"))
    with open_engine(url) as engine:
        METADATA.create_all(engine)
    holder = sqlite3.connect(tmp_path / "articles.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    failure(url, "DELETE FROM path", TransientError, "the database: database is locked")
    holder.close()
