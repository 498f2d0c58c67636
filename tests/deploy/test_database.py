"""A database is complete or absent, and the rows of an older home's SQLite files are in it."""

import contextlib
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import URL, make_url, text

from deploy.embedded import database, sqlite_files
from deploy.embedded.errors import EmbeddedError
from include.articles.database import schema
from include.core.database.engine import open_engine


@pytest.fixture
def server(instance, cluster):
    """Run the PostgreSQL of the instance; return its address."""
    with cluster.running():
        yield instance.server_url


def execute(url: URL, *statements: str):
    with open_engine(url) as engine, engine.begin() as connection:
        found = [connection.execute(text(statement)) for statement in statements]
        return found[-1].all() if found[-1].returns_rows else None


def stamps(server: str) -> dict[str, str]:
    with database._maintenance(server) as connection:
        found = database._stamps(connection)
    return {name: stamp for name, stamp in found.items() if name.startswith("quartet_")}


def test_a_new_database_appears_when_it_is_whole(instance, server):
    url = instance.database("a")

    def migrate(aside, empty):
        assert empty
        assert "quartet_a" not in stamps(server)
        execute(aside, "CREATE TABLE t AS SELECT 1 AS x")

    database.migrate_aside(server, url, "it's 7", migrate)
    assert execute(url, "SELECT x FROM t") == [(1,)]
    assert stamps(server) == {"quartet_a": "it's 7"}


def test_a_failed_migration_leaves_the_old_database(instance, server):
    url = instance.database("a")
    database.migrate_aside(server, url, "3", lambda aside, _: execute(aside, "CREATE TABLE t (x int)"))

    def migrate(aside, empty):
        assert not empty
        execute(aside, "DROP TABLE t")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        database.migrate_aside(server, url, "7", migrate)
    assert execute(url, "SELECT count(*) FROM t") == [(0,)]
    assert stamps(server)["quartet_a"] == "3"


def test_a_migration_keeps_the_rows_and_ends_the_sessions_that_are_left(instance, server):
    url = instance.database("a")
    database.migrate_aside(server, url, "3", lambda aside, _: execute(aside, "CREATE TABLE t AS SELECT 42 AS x"))
    with open_engine(url) as engine, engine.connect() as left:
        left.execute(text("SELECT 1"))
        database.migrate_aside(server, url, "7", lambda aside, _: execute(aside, "ALTER TABLE t ADD y int"))
        left.invalidate()
    assert execute(url, "SELECT x, y FROM t") == [(42, None)]
    assert stamps(server) == {"quartet_a": "7"}


def test_what_an_interrupted_attempt_left_is_made_anew(instance, server):
    with database._maintenance(server) as connection:
        connection.execute(text("CREATE DATABASE quartet_a_new"))
        connection.execute(text("CREATE DATABASE quartet_a_old"))
    database.migrate_aside(
        server, instance.database("a"), "7", lambda aside, _: execute(aside, "CREATE TABLE t (x int)")
    )
    assert stamps(server) == {"quartet_a": "7"}


def test_missing_and_older_databases_are_outdated(instance, server):
    assert database.outdated(instance) == ["airflow", "mlflow", "articles"]
    for name in database.names(instance):
        database.migrate_aside(server, instance.database(name), database.expected_stamp(name), lambda aside, _: None)
    assert database.outdated(instance) == []
    execute(instance.database("airflow"), "COMMENT ON DATABASE quartet_airflow IS 'apache-airflow-core 3.2.0'")
    assert database.outdated(instance) == ["airflow"]


def test_a_registry_elsewhere_is_not_ours_to_make(instance):
    assert database.names(replace(instance, tracking_uri="http://models.test")) == ["airflow", "articles"]


def test_a_server_that_cannot_be_reached_is_named_without_its_password(instance):
    elsewhere = replace(instance, database_url="postgresql://quartet:geheim@127.0.0.1:1/team")
    with pytest.raises(
        EmbeddedError, match=r"127\.0\.0\.1:1/postgres cannot be reached: .*QUARTET_DATABASE_URL"
    ) as error:
        database.outdated(elsewhere)
    assert "geheim" not in str(error.value)


def test_a_failure_is_told_with_the_end_of_the_log(instance):
    with pytest.raises(EmbeddedError, match=r"(?s)the database of airflow could not be created.*No module named"):
        database.prepare(instance, ["airflow"], {"PATH": "", "PYTHONPATH": ""})


def test_the_articles_of_an_older_home_are_copied_once(instance, server, monkeypatch):
    path = instance.home / "data" / "articles.db"
    with open_engine(make_url(f"sqlite:///{path}")) as engine:
        schema.upgrade(engine)
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO model (id, site, type, status, run_id, data_as_of, created_at, updated_at) "
                    "VALUES (7, 'a \"quoted\", site\\é', 'article', 'current', 'run', :at, :at, :at)"
                ),
                {"at": datetime(2026, 3, 1, 12, 30, 0, 123456, UTC).replace(tzinfo=None).isoformat(" ")},
            )
    monkeypatch.setenv("QUARTET_HOME", str(instance.home))
    monkeypatch.setenv("QUARTET_DATABASE_URL", server)
    assert database.sqlite_files(instance) == {"articles": path}
    database.main("articles", str(path))
    url = instance.database("articles")
    rows = execute(url, "SELECT id, site, created_at FROM model")
    assert rows == [(7, 'a "quoted", site\\é', datetime(2026, 3, 1, 12, 30, 0, 123456, UTC))]
    columns = "run_id, data_as_of, created_at, updated_at"
    insert = (
        f"INSERT INTO model (site, type, status, {columns}) SELECT site, 'popularity', status, {columns} FROM model"
    )
    assert execute(url, f"{insert} RETURNING id") == [(8,)]  # the keys go on after the largest
    assert database.put_aside(instance) == [path.with_name("articles.db.imported")]
    assert database.sqlite_files(instance) == {}
    with contextlib.closing(sqlite3.connect(path.with_name("articles.db.imported"))) as kept:
        assert kept.execute("SELECT id FROM model").fetchall() == [(7,)]


def test_every_type_of_airflows_tables_is_copied(tmp_path, instance, server):
    database.migrate_aside(
        server,
        instance.database("a"),
        "1",
        lambda aside, _: execute(
            aside,
            "CREATE TABLE child (id serial PRIMARY KEY, parent int REFERENCES child DEFERRABLE, flag boolean, "
            "note json, key uuid, at timestamptz, raw bytea, share double precision, word text)",
            "INSERT INTO child (id) VALUES (99)",
        ),
    )
    path = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.execute("CREATE TABLE child (id, parent, flag, note, key, at, raw, share, word, gone)")
        old.execute(
            "INSERT INTO child VALUES (1, 2, 1, ?, '00112233445566778899aabbccddeeff', '2026-03-01 12:30:00.5', "
            "x'00ff', 0.1, 'it''s a \"line\",\nand another', 'x'), "
            "(2, NULL, 0, 'null', NULL, NULL, NULL, NULL, '\\N', '')",
            ['{"a": [1, "é"]}'],
        )
        old.commit()
    sqlite_files.copy_into(instance.database("a"), path)
    first, second = execute(
        instance.database("a"), "SELECT id, parent, flag, note, key::text, at, raw, share, word FROM child ORDER BY id"
    )
    at = datetime(2026, 3, 1, 12, 30, 0, 500_000, UTC)
    key = "00112233-4455-6677-8899-aabbccddeeff"
    assert first[:6] == (1, 2, True, {"a": [1, "é"]}, key, at)
    assert (bytes(first[6]), *first[7:]) == (b"\x00\xff", 0.1, 'it\'s a "line",\nand another')
    assert tuple(second) == (2, None, False, None, None, None, None, None, "\\N")
    assert execute(instance.database("a"), "INSERT INTO child DEFAULT VALUES RETURNING id") == [(3,)]
