"""Connections that break and a server that restarts, in the middle of writing and promoting."""

import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from sqlalchemy import URL, Engine, event, text
from sqlalchemy.exc import OperationalError

from include.articles.database import articles, models, recommendations, schema
from include.articles.sites.adapters.base import Metadata
from include.core.database.engine import open_engine
from tests.include.articles.database.conftest import NOON, SITE, Database, hours


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less between tries, and write few rows at a time."""
    sleep = time.sleep
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: sleep(min(seconds, 0.2)))
    monkeypatch.setattr(recommendations, "PART_ROWS", 3)
    monkeypatch.setattr(models, "PART_ROWS", 3)


def break_at(engine: Engine, moment: str, number: int, fault: Callable[[Any], None]) -> Callable[[], bool]:
    """Run something once at the given occurrence of an event; return a function that checks whether it has run."""
    count = 0

    def listen(connection: Any, *_: object) -> None:
        nonlocal count
        count += 1
        if count == number:
            fault(connection)

    event.listen(engine, moment, listen)
    return lambda: count >= number


def terminate(db: Database, check: Callable[[], None] = lambda: None) -> Callable[[Any], None]:
    """Return a function that ends a connection's session, as a restart does, and then calls *check*."""

    def fault(connection: Any) -> None:
        check()
        pid = connection.connection.dbapi_connection.get_backend_pid()
        with open_engine(db.url) as other, other.connect() as session:
            assert session.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    return fault


@pytest.mark.parametrize("db", ["postgres"], indirect=True)
@pytest.mark.parametrize("moment", ["before_cursor_execute", "commit"])
def test_a_session_that_ends_anywhere_in_a_write_changes_nothing(db, moment):
    old, new = db.filled("old"), db.filled("new", hours(2), sources="xyz")
    models.promote(db.engine, old, NOON)
    lists, number, broken = db.lists("abcde"), 0, True

    def check() -> None:
        assert models.current(db.engine, SITE, "article").id == old
        assert db.count(old) == 4

    while broken:
        number += 1
        with open_engine(db.url) as engine:
            happened = break_at(engine, moment, number, terminate(db, check))
            recommendations.write(engine, new, lists, NOON)
            broken = happened()
        found = recommendations.read_lists(db.engine, new)
        assert found["source"].tolist() == list("aabbccddee")
        assert found["external_id"].tolist() == ["1", "2"] * 5
    assert number > 5


@pytest.mark.parametrize("db", ["postgres"], indirect=True)
@pytest.mark.parametrize("moment", ["before_cursor_execute", "commit"])
def test_a_session_that_ends_anywhere_in_a_promotion_leaves_one_whole_model(db, moment):
    old, new = db.filled("old"), db.filled("new", hours(2), sources="abc")
    models.promote(db.engine, old, NOON)
    number, broken = 0, True

    def check() -> None:
        assert models.current(db.engine, SITE, "article").id == old
        assert (db.count(old), db.count(new)) == (4, 6)

    while broken:
        number += 1
        with open_engine(db.url) as engine:
            happened = break_at(engine, moment, number, terminate(db, check))
            assert models.promote(engine, new, hours(2), max_shrink=0.5) == "current"
            broken = happened()
        assert db.statuses() == {old: "stale", new: "current"}
        db.execute("UPDATE model SET status = 'pending' WHERE id = :id", id=new)
        db.execute("UPDATE model SET status = 'current' WHERE id = :id", id=old)
    assert number > (1 if moment == "commit" else 6)


def lose_answer(connection: Any) -> None:
    """Commit, and say that it failed: what a client sees when the connection is lost just then."""
    connection.connection.dbapi_connection.commit()
    raise OperationalError("COMMIT", {}, sqlite3.OperationalError("database is locked"))


Work = Callable[[Database, Engine, int], object]
WORK: dict[str, Work] = {
    "upsert": lambda _, engine, __: articles.upsert(engine, SITE, iter([Metadata("1", "", "/", None)]), hours(1)),
    "note_missing": lambda _, engine, __: articles.note_missing(engine, SITE, iter("1"), hours(2), hours(2)),
    "reject_paths": lambda _, engine, __: articles.reject_paths(engine, SITE, [("/a/", "no_external_id")], hours(1)),
    "open_models": lambda _, engine, __: models.open_models(engine, SITE, "new", ["article"], NOON, NOON),
    "write": lambda db, engine, model: recommendations.write(engine, model, db.lists("abc"), hours(1)),
    "promote": lambda _, engine, model: models.promote(engine, model, hours(1)),
    "fail": lambda _, engine, __: models.fail(engine, SITE, "run", "why", hours(1)),
    "clean_up": lambda _, engine, __: models.clean_up(engine, SITE, 0, hours(48)),
}
CONTENTS = (
    "SELECT external_id, title, path, missing_count, updated_at FROM article ORDER BY external_id",
    "SELECT run_id, status, error, updated_at FROM model ORDER BY run_id",
    "SELECT run_id, source_entity_id, rank, score FROM model JOIN recommendation ON model.id = model_id"
    " ORDER BY 1, 2, 3",
    "SELECT path, updated_at FROM path",
)


@pytest.mark.parametrize("work", list(WORK.values()), ids=list(WORK))
def test_a_commit_whose_answer_is_lost_is_not_done_twice(db, work):
    contents: list[list] = []
    while len(contents) < 2:
        for table in ("model", "article", "path"):
            db.execute(f"DELETE FROM {table}")
        models.promote(db.engine, db.filled("old", hours(-1)), NOON)
        model_id = db.filled("run")
        with open_engine(db.url) as engine:
            happened = break_at(engine, "commit", len(contents), lose_answer)  # the first time never
            work(db, engine, model_id)
            assert happened()
        contents.append([db.rows(statement) for statement in CONTENTS])
    assert contents[0] == contents[1]


@dataclass
class Server:
    """A PostgreSQL server of our own."""

    folder: Path
    binaries: Path
    user: str | None

    @property
    def url(self) -> URL:
        """Its address: a socket in its folder."""
        return URL.create("postgresql+psycopg2", "postgres", database="postgres", query={"host": str(self.folder)})

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the server's user."""
        line = [str(self.binaries / program), "-D", str(self.folder / "data"), *arguments]
        # not into a pipe: the server would keep it open
        with (self.folder / "log").open("a") as log:
            subprocess.run(line, check=True, user=self.user, cwd=self.folder, stdout=log, stderr=log, timeout=60)

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        self.run("pg_ctl", "start", "-w", "-s", "-o", options)

    def stop(self) -> None:
        """Stop at once, as if it had crashed."""
        self.run("pg_ctl", "stop", "-m", "immediate", "-s")


@pytest.fixture
def server() -> Iterator[Server]:
    """Start a server that the test may stop; skipped where PostgreSQL's programs are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not found:
        pytest.skip("initdb is not below /usr/lib/postgresql")
    user = None
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = next((each.pw_name for each in pwd.getpwall() if each.pw_name in ("postgres", "nobody")), None)
        if user is None:
            pytest.skip("there is no user to run PostgreSQL as")
    folder = Path(tempfile.mkdtemp(prefix="quartet-postgres-"))  # not tmp_path, which is root's alone
    try:
        if user:
            shutil.chown(folder, user)
        made = Server(folder, found[-1].parent, user)
        made.run("initdb", "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions", "-E", "UTF8")
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder)


def test_a_server_that_restarts_in_the_middle_loses_nothing(server):
    timers = []

    def restart(_: object) -> None:
        server.stop()
        timers.append(Timer(1.5, server.start))
        timers[-1].start()

    with open_engine(server.url) as calm, open_engine(server.url) as engine:
        schema.upgrade(calm)
        db = Database(calm, server.url)
        old, new = db.filled("old"), db.filled("new", hours(2))
        models.promote(calm, old, NOON)
        lists = db.lists("abcde")

        happened = break_at(engine, "before_cursor_execute", 7, restart)
        recommendations.write(engine, new, lists, NOON)
        assert happened()
        timers[-1].join()
        assert models.current(calm, SITE, "article").id == old
        assert (db.count(old), db.count(new)) == (4, 10)

        happened = break_at(engine, "commit", 1, restart)
        assert models.promote(engine, new, hours(2)) == "current"
        assert happened()
        timers[-1].join()
        assert db.statuses() == {old: "stale", new: "current"}
        assert db.count(new) == 10
