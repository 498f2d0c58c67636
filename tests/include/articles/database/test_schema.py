"""From an empty database, and from an older one, to the newest version."""

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, event, inspect, text
from sqlalchemy.exc import DBAPIError

from include.articles.database import schema, tables
from include.core.database.engine import open_engine

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def describe(engine: Engine) -> dict:
    """Return a description of the tables that does not depend on the order of their parts."""
    inspector = inspect(engine)
    found = {}
    for table in sorted(set(inspector.get_table_names()) - {schema.VERSION_TABLE}):
        found[table] = {
            "columns": [{**each, "type": str(each["type"])} for each in inspector.get_columns(table)],
            "key": inspector.get_pk_constraint(table),
            "foreign": sorted(inspector.get_foreign_keys(table), key=str),
            "unique": sorted(inspector.get_unique_constraints(table), key=str),
            "checks": sorted(inspector.get_check_constraints(table), key=str),
            "indexes": {
                each["name"]: (each["column_names"], each["unique"], condition(each))
                for each in inspector.get_indexes(table)
            },
        }
    return found


def condition(index: Any) -> str:
    """Return the condition of an index, without PostgreSQL's additions."""
    options = index.get("dialect_options", {})
    found = str(options.get("sqlite_where", options.get("postgresql_where", "")))
    return found.replace("::text", "").strip("()")


def upgrade_to(engine: Engine, version: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)


def test_an_empty_database_gets_the_tables(empty_url):
    with open_engine(empty_url) as engine:
        assert schema.version(engine) is None
        schema.upgrade(engine)
        assert schema.version(engine) == schema.HEAD
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "version_table": schema.VERSION_TABLE}
            )
            assert compare_metadata(context, tables.METADATA) == []
        migrated = describe(engine)
        tables.METADATA.drop_all(engine)
        tables.METADATA.create_all(engine)
        assert describe(engine) == migrated
    assert len(migrated["recommendation"]["checks"]) == 2
    assert migrated["model"]["indexes"]["model_current_key"] == (["site", "type"], True, "status = 'current'")


def test_the_newest_version_is_the_last_migration():
    assert ScriptDirectory(str(schema.MIGRATIONS)).get_current_head() == schema.HEAD


def test_rows_of_the_first_version_are_kept(empty_url):
    with open_engine(empty_url) as engine:
        upgrade_to(engine, "0001")
        assert schema.version(engine) == "0001"
        assert not inspect(engine).has_table("path")
        with engine.begin() as connection:
            times = {"created_at": NOW, "updated_at": NOW}
            connection.execute(tables.ARTICLE.insert(), {"site": "s", "external_id": "7", **times})
            model = {"site": "s", "type": "article", "status": "current", "data_as_of": NOW, "run_id": "r", **times}
            connection.execute(tables.MODEL.insert(), model)
            row = {"model_id": 1, "source_entity_id": "7", "recommended_article_id": 1, "score": 0.5, "rank": 1}
            connection.execute(tables.RECOMMENDATION.insert(), row | times)
        before = contents(engine)
        schema.upgrade(engine)
        assert schema.version(engine) == schema.HEAD
        assert contents(engine) == before | {"path": []}
        assert [len(rows) for rows in before.values()] == [1, 1, 1]


def contents(engine: Engine) -> dict[str, list]:
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {name}"))]
            for name in sorted(tables.METADATA.tables)
            if inspect(connection).has_table(name)
        }


def test_at_the_newest_version_one_query_is_all(empty_url, monkeypatch):
    with open_engine(empty_url) as engine:
        schema.upgrade(engine)
        monkeypatch.setattr(command, "upgrade", lambda *_: pytest.fail("nothing was to be done"))
        asked = []
        event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
        schema.upgrade(engine)
    assert [each for each in asked if not each.startswith("BEGIN")] == [
        f"SELECT version_num \nFROM {schema.VERSION_TABLE}"
    ]


UPGRADE = """
import sys
from sqlalchemy import make_url
from include.articles.database import schema
from include.core.database.engine import open_engine
with open_engine(make_url(sys.argv[1])) as engine:
    print("ready", flush=True)
    sys.stdin.readline()
    schema.upgrade(engine)
    print(schema.version(engine))
"""


def test_processes_may_upgrade_at_once(empty_url: URL):
    line = [sys.executable, "-c", UPGRADE, empty_url.render_as_string(hide_password=False)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(line, **pipes) for _ in range(2)]
    for each in processes:
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        each.stdin.write("\n")
        each.stdin.flush()
    answers = [each.communicate(timeout=60) for each in processes]
    assert [(output, "Error" in errors) for output, errors in answers] == [(f"{schema.HEAD}\n", False)] * 2, answers


def test_an_upgrade_that_breaks_off_leaves_what_was_there(empty_url):
    with open_engine(empty_url) as engine:

        def crash(*given: object) -> None:
            if "CREATE TABLE path" in str(given[2]):
                raise KeyboardInterrupt

        event.listen(engine, "before_cursor_execute", crash)
        with pytest.raises(KeyboardInterrupt):
            schema.upgrade(engine)
        event.remove(engine, "before_cursor_execute", crash)
        assert inspect(engine).get_table_names() == []
        schema.upgrade(engine)
        assert schema.version(engine) == schema.HEAD


def test_a_version_of_a_newer_program_is_refused(empty_url):
    with open_engine(empty_url) as engine:
        schema.upgrade(engine)
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
        with pytest.raises(schema.SchemaError, match=f"version 9999, {schema.HEAD} or an older one was expected"):
            schema.upgrade(engine)


def test_the_version_of_a_server_that_is_not_there_is_an_error():
    nowhere = URL.create("postgresql+psycopg2", "nobody", host="127.0.0.1", port=9, database="none")
    with open_engine(nowhere) as engine, pytest.raises(DBAPIError):
        schema.version(engine)
