"""A source schema, a result schema and rules, on SQLite and on MariaDB; the steps are run as the DAG runs them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Connection, create_engine, inspect, text
from sqlalchemy.dialects.mysql import LONGTEXT

from include.audience import generate, state
from include.audience.pipeline import Pipeline
from include.audience.request import LabelingRequest, Task, make_task
from include.audience.settings import AudienceSettings
from include.audience.source_map import TABLES
from tests.support.services import MARIADB, fresh_database

FBPM, FBFANS, DCARD, UNMAPPED = "WH_F0072", "WH_F0045", "WH_F0116", "WH_F9999"
"""Sources whose rows go to `fbpm`, to `fbfans`, to `Dcard` and `forum`, to no table."""
NAMES = "panel,keyword,match_type\nfemale,lily,partially\nmale,mark,partially\n"
"""Rules with a name for each panel."""
COLUMNS = "id, source_author, panel, create_time, field_content, match_content"

Row = tuple[str, str, str, datetime, str, str]
"""A labelled row; its columns are `COLUMNS`."""


def at(time: str) -> datetime:
    """Read a time; one without a date is on 2020-01-01, one with a number of days before it is that much later."""
    days, _, clock = time.rpartition(" ")
    if len(days) > 2:
        return datetime.fromisoformat(time)
    return datetime.fromisoformat(f"2020-01-{1 + int(days or 0):02} {clock}")


def post(
    id: str,
    author: str | None,
    time: str | datetime,
    s_id: str | None = FBPM,
    content: str | None = "",
    s_area_id: str | None = "",
) -> dict[str, Any]:
    """Make a row of the source table."""
    moment = at(time) if isinstance(time, str) else time
    return {
        "id": id, "s_id": s_id, "s_area_id": s_area_id, "author": author, "title": "", "content": content,
        "post_time": moment,
    }  # fmt: skip


@dataclass
class Clock:
    """Half a minute later each time that somebody looks."""

    seconds: float = 1_600_000_000.0

    def __call__(self) -> float:
        """Give the time in seconds since 1970."""
        self.seconds += 30
        return self.seconds


@dataclass
class Outcome:
    """
    What a task has left behind.

    Attributes:
        temp: table name → its labelled rows in ascending order, for each table that has some.
        production: table name → the rows of its result table, likewise.
        state: the columns of its row in `state` that people see.
    """

    temp: dict[str, list[Row]]
    production: dict[str, list[Row]]
    state: dict[str, Any]

    @property
    def figures(self) -> dict[str, Any]:
        """What is in `state`, without what differs between two runs of the same: the clock, the id."""
        return {name: value for name, value in self.state.items() if name not in ("task_id", "create_time", "run_time")}

    @property
    def content(self) -> tuple[Any, ...]:
        """Everything that has to be the same when a task is run again."""
        return self.temp, self.production, self.figures


def ids(rows: list[Row]) -> list[str]:
    """Give the ids of rows in the order of time."""
    return [row[0] for row in sorted(rows, key=lambda row: (row[3], row[0]))]


@dataclass
class Lab:
    """
    Databases to label in, and the steps of a task.

    Attributes:
        settings: of all tasks, unless a call says otherwise.
        root: folder of the tasks' storage.
        clock: counts the seconds of all steps.
        tasks: number of tasks so far, for those who count.
    """

    settings: AudienceSettings
    root: Path
    clock: Clock = field(default_factory=Clock)
    tasks: int = 0

    @property
    def on_mariadb(self) -> bool:
        """Tell which of the two databases it is."""
        return bool(self.settings.input_host)

    @property
    def source_url(self) -> URL:
        """Address of the source schema."""
        return self.settings.source_url(self.settings.input_schema)

    @property
    def result_url(self) -> URL:
        """Address of the result schema."""
        return self.settings.result_url(self.settings.output_schema)

    @contextmanager
    def connected(self, url: URL) -> Iterator[Connection]:
        """Give a connection of its own and commit at the end."""
        if url.drivername == "sqlite":
            Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def load(self, *posts: dict[str, Any]) -> None:
        """Make the source table hold exactly these rows."""
        table = generate.source_table()
        if self.on_mariadb:  # a name may be longer than the shipped table allows
            table.c.author.type = LONGTEXT()
        rows = [row if self.on_mariadb else row | {"post_time": str(row["post_time"])} for row in posts]
        with self.connected(self.source_url) as connection:
            table.create(connection, checkfirst=True)
            connection.execute(table.delete())
            if rows:
                connection.execute(table.insert(), rows)

    def forget(self, *, tables: bool = False) -> None:
        """Empty all tables of the result schema, or remove them."""
        with self.connected(self.result_url) as connection:
            for name in inspect(connection).get_table_names():
                connection.execute(text(f"DROP TABLE {name}" if tables else f"DELETE FROM {name}"))

    def rules(self, content: str = NAMES, model_type: str = "keyword_model", predict_type: str = "author_name") -> None:
        """Write a rules file."""
        path = self.settings.rules_dir / model_type / f"{predict_type}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())

    def task(self, task_id: str = "1", **request: Any) -> Task:
        """Make a task of 12 hours from 2020-01-01, unless the fields of the request say otherwise."""
        fields = {"start_time": "2020-01-01 00:00:00", "end_time": "2020-01-01 12:00:00"} | request
        return make_task(LabelingRequest(**fields), self.settings, task_id.zfill(32))

    def pipeline(self, task_id: str = "1", **asked: Any) -> Pipeline:
        """Give the steps of a task; *asked* are fields of the request, and settings."""
        fields = {name: value for name, value in asked.items() if name in LabelingRequest.model_fields}
        task = self.task(task_id, **fields)
        settings = self.settings.model_copy(update={n: value for n, value in asked.items() if n not in fields})
        return Pipeline(settings, task, self.root / task.task_id, f"run-{task_id}", self.clock)

    def run(self, task_id: str = "1", *, times: int = 1, **asked: Any) -> Outcome:
        """Run all steps of a task, each *times* times; *asked* as in `pipeline`."""
        steps = self.pipeline(task_id, **asked)
        for _ in range(times):
            batches = steps.open()
        for batch in batches:
            for _ in range(times):
                steps.label(batch)
        for step in (steps.close, steps.produce):
            for _ in range(times):
                step()
        return self.outcome(task_id)

    def outcome(self, task_id: str = "1") -> Outcome:
        """Look at what a task has left behind so far."""
        own = {"own": task_id.zfill(32)}
        with self.connected(self.result_url) as connection:
            shown = ", ".join(column.name for column in state.SHOWN)
            row = connection.execute(text(f"SELECT {shown} FROM state WHERE task_id = :own"), own).mappings().one()
            present = set(inspect(connection).get_table_names())
            rows = {
                name: [
                    (*line[:3], at(str(line[3])), *line[4:])
                    for line in connection.execute(text(f"SELECT {COLUMNS} FROM {name} WHERE task_id = :own"), own)
                ]
                for prefix in ("", "wh_panel_mapping_")
                for name in (prefix + table for table in TABLES)
                if name in present
            }
        found = {name: sorted(lines) for name, lines in rows.items() if lines}
        production = {name: lines for name, lines in found.items() if name.startswith("wh_panel_mapping_")}
        return Outcome(
            {name: lines for name, lines in found.items() if name not in production},
            {name.removeprefix("wh_panel_mapping_"): lines for name, lines in production.items()},
            dict(row),
        )


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[URL | None]:
    """Give the address of a result schema on MariaDB, with a source schema beside it; `None` stands for SQLite."""
    if request.param == "sqlite":
        yield None
        return
    with pytest.MonkeyPatch.context() as patch, contextmanager(fresh_database)(MARIADB) as url:
        patch.setattr("ssl.SSLContext.load_default_certs", lambda *_: None)  # slow, and no use without a certificate
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {url.database}_source"))
                yield url
                connection.execute(text(f"DROP DATABASE {url.database}_source"))
        finally:
            engine.dispose()


@pytest.fixture
def lab(server: URL | None, tmp_path: Path) -> Lab:
    """Give a lab with rules for names and an empty source table."""
    settings: dict[str, Any] = {"data_dir": str(tmp_path / "data"), "rules_dir": tmp_path / "rules"}
    if server is not None:
        settings |= {"output_schema": server.database, "input_schema": f"{server.database}_source"}
        for side in ("input", "output"):
            settings |= {
                f"{side}_host": server.host,
                f"{side}_port": server.port or 3306,
                f"{side}_user": server.username or "",
                f"{side}_password": server.password or "",
            }
    made = Lab(AudienceSettings(**settings), tmp_path / "storage")
    made.rules()
    made.load()
    made.forget()
    return made
