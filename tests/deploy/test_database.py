"""A database is complete or absent."""

import contextlib
import sqlite3

import pytest

from deploy.embedded import database
from deploy.embedded.errors import EmbeddedError


def execute(path, *statements):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = [connection.execute(statement).fetchall() for statement in statements]
        connection.commit()
        return rows[-1]


def test_a_new_database_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "a.db"

    def migrate(aside):
        assert not path.exists()
        execute(aside, "PRAGMA journal_mode=WAL", "CREATE TABLE t (x)", "INSERT INTO t VALUES (1)")

    database.migrate_copy(path, 7, migrate)
    assert execute(path, "SELECT x FROM t") == [(1,)]
    assert database.stamp(path) == 7
    assert [each.name for each in tmp_path.iterdir()] == ["a.db"]


def test_a_failed_migration_leaves_the_old_database(tmp_path):
    path = tmp_path / "a.db"
    execute(path, "CREATE TABLE t (x)", "PRAGMA user_version = 3")

    def migrate(aside):
        execute(aside, "DROP TABLE t")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        database.migrate_copy(path, 7, migrate)
    assert execute(path, "SELECT count(*) FROM t") == [(0,)]
    assert database.stamp(path) == 3


def test_what_is_still_in_the_old_write_ahead_log_is_kept(tmp_path):
    path = tmp_path / "a.db"
    with contextlib.closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("PRAGMA wal_autocheckpoint=0")
        writer.execute("CREATE TABLE t (x)")
        writer.execute("INSERT INTO t VALUES (42)")
        writer.commit()
        killed = tmp_path / "killed.db"
        for one, other in zip(database.siblings(path), database.siblings(killed), strict=True):
            other.write_bytes(one.read_bytes())  # as a writer that was killed leaves it
    database.migrate_copy(killed, 7, lambda aside: None)
    assert execute(killed, "SELECT x FROM t") == [(42,)]


def test_what_an_interrupted_attempt_left_is_made_anew(tmp_path):
    path = tmp_path / "a.db"
    for stale in database.siblings(tmp_path / "a.db.partial"):
        stale.write_bytes(b"half")
    database.migrate_copy(path, 7, lambda aside: execute(aside, "CREATE TABLE t (x)"))
    assert execute(path, "SELECT count(*) FROM t") == [(0,)]


def test_missing_and_older_databases_are_outdated(instance):
    assert database.outdated(instance) == ["airflow", "mlflow"]
    for name, path in database.paths(instance).items():
        execute(path, f"PRAGMA user_version = {database.expected_stamp(name)}")
    assert database.outdated(instance) == []
    execute(instance.airflow_db, "PRAGMA user_version = 1")
    assert database.outdated(instance) == ["airflow"]


def test_a_registry_elsewhere_is_not_ours_to_make(instance):
    from dataclasses import replace

    assert list(database.paths(replace(instance, registry_uri="http://models.test"))) == ["airflow"]


def test_a_file_that_is_no_database_is_named(instance):
    instance.airflow_db.write_bytes(b"x" * 5000)
    with pytest.raises(EmbeddedError, match=r"airflow\.db cannot be read .*move it away"):
        database.outdated(instance)


def test_a_failure_is_told_with_the_end_of_the_log(instance):
    with pytest.raises(EmbeddedError, match=r"(?s)the database of airflow could not be created.*No module named"):
        database.prepare(instance, ["airflow"], {"PATH": "", "PYTHONPATH": ""})
