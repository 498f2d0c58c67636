"""The source table of the demo."""

import io
import sqlite3
from contextlib import closing

from rich.console import Console

from deploy.demo import posts as command
from deploy.demo.audience import posts
from include.core.database.engine import open_engine


def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def source_rows(home, statement: str = "SELECT count(*) FROM ts_page_content") -> int:
    with closing(sqlite3.connect(home / "data/audience/wh_demo.db")) as connection:
        return connection.execute(statement).fetchone()[0]


def test_the_demos_posts_are_made_once(home):
    posts.provide(console())
    assert source_rows(home) == posts.ROWS
    before = (home / "data/audience/wh_demo.db").stat().st_mtime_ns
    posts.provide(console())
    assert (home / "data/audience/wh_demo.db").stat().st_mtime_ns == before
    received = source_rows(
        home,
        "SELECT count(*) FROM ts_page_content WHERE author IS NOT NULL AND s_id IS NOT NULL"
        " AND post_time BETWEEN '2020-01-01 00:00:00' AND '2021-01-01 00:00:00'",
    )
    assert posts.expected() == received


def test_a_table_of_others_is_left_alone(home):
    (home / "data/audience").mkdir(parents=True)
    with closing(sqlite3.connect(home / "data/audience/wh_demo.db")) as connection:
        connection.execute("CREATE TABLE ts_page_content (id TEXT)")
        connection.execute("INSERT INTO ts_page_content VALUES ('theirs')")
        connection.commit()
    posts.provide(console())
    assert command.main(["--rows", "10"]) == 1
    assert source_rows(home) == 1


def test_a_source_of_any_size_is_made_on_demand(home):
    assert command.main(["--rows", "123"]) == 0
    assert source_rows(home) == 123


def test_a_server_that_cannot_be_used_is_left_alone(home, monkeypatch):
    monkeypatch.setenv("INPUT_HOST", "127.0.0.1")
    monkeypatch.setenv("INPUT_PORT", "1")
    monkeypatch.setenv("INPUT_PASSWORD", "s3cr3t")
    shown = console()
    posts.provide(shown)
    said = " ".join(shown.file.getvalue().split())
    assert "the demo leaves audience labeling out" in said
    assert "s3cr3t" not in said
    assert not posts.is_there()
    assert not (home / "data").exists()


def test_a_schema_on_a_server_is_used_while_it_has_no_posts_of_others(home, monkeypatch, mariadb):
    names = {"HOST": mariadb.host, "PORT": mariadb.port or 3306, "USER": mariadb.username, "SCHEMA": mariadb.database}
    for name, value in names.items():
        monkeypatch.setenv(f"INPUT_{name}", str(value))
    monkeypatch.setenv("INPUT_PASSWORD", mariadb.password or "")
    with open_engine(mariadb) as engine, engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (id int)")
    posts.provide(console())
    assert not posts.is_there()
    with open_engine(mariadb) as engine, engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE theirs")
    posts.provide(console())
    assert posts.is_there()
    with open_engine(mariadb) as engine, engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ts_page_content SET id = 'theirs' LIMIT 1")
    shown = console()
    posts.provide(shown)
    assert "has posts or tables that the demo did not generate" in " ".join(shown.file.getvalue().split())
    assert not posts.is_there()
