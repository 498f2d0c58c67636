"""A source schema, a result schema and rules; the steps of a task are run as the DAG runs them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, inspect, text
from sqlalchemy.dialects.mysql import LONGTEXT

from deploy.demo.audience import generate
from include.audience import layout
from include.audience.pipeline import Dependencies, Pipeline
from include.audience.request import LabelingRequest
from include.audience.results import state
from include.audience.settings import AudienceSettings
from include.audience.source.source_map import TABLES
from include.audience.task import Task, make_task

FBPM, FBFANS, DCARD, UNMAPPED = "WH_F0072", "WH_F0045", "WH_F0116", "WH_F9999"
"""Sources whose rows belong to `fbpm`, to `fbfans`, to `Dcard` and `forum`, to no table."""
NAMES = "panel,keyword,match_type\nfemale,lily,partially\nmale,mark,partially\n"
"""Rules with a name for each panel."""
COLUMNS = "id, source_author, panel, create_time, field_content, match_content"

Row = tuple[str, str, str, datetime, str, str]
"""A labelled row; its columns are `COLUMNS`."""


def at(time: str) -> datetime:
    """Parse a time; without a date it is on 2020-01-01, or the number of days in front of it later."""
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
    """Return a row of the source table."""
    moment = at(time) if isinstance(time, str) else time
    return {
        "id": id, "s_id": s_id, "s_area_id": s_area_id, "author": author, "title": "", "content": content,
        "post_time": moment,
    }  # fmt: skip


@dataclass
class Clock:
    """A clock that advances half a minute at every reading."""

    seconds: float = 1_600_000_000.0

    def __call__(self) -> float:
        """Return the time in seconds since 1970."""
        self.seconds += 30
        return self.seconds


@dataclass
class Outcome:
    """
    Results of a task.

    Attributes:
        temp: table name → its labelled rows in ascending order, without empty tables.
        production: table name → the rows of its result table, likewise.
        state: the shown columns of its row in `state`.
    """

    temp: dict[str, list[Row]]
    production: dict[str, list[Row]]
    state: dict[str, Any]

    @property
    def report(self) -> dict[str, Any]:
        """Columns of `state` without those that differ between two equal runs: times and id."""
        return {name: value for name, value in self.state.items() if name not in ("task_id", "create_time", "run_time")}

    @property
    def content(self) -> tuple[Any, ...]:
        """Everything that must not change if a task is run again."""
        return self.temp, self.production, self.report


def ids(rows: list[Row]) -> list[str]:
    """Return the ids of rows in order of time."""
    return [row[0] for row in sorted(rows, key=lambda row: (row[3], row[0]))]


@dataclass
class Lab:
    """
    Databases for labeling, and the steps of a task.

    Attributes:
        settings: settings of all tasks; a call may override them.
        root: the workflow's folder in storage.
        clock: clock of all steps.
        metrics: last part of the name, tags → value, as the steps have sent them.
        notes: notes of the runs.
        batches: names of the batches.
        tasks: number of tasks so far, for tests that count them.
    """

    settings: AudienceSettings
    root: Path
    clock: Clock = field(default_factory=Clock)
    metrics: dict[tuple[str, ...], float | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    tasks: int = 0

    @property
    def on_mariadb(self) -> bool:
        """Whether the databases are on MariaDB."""
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
        """Yield a separate connection and commit at the end."""
        if url.drivername == "sqlite":
            Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def load(self, *posts: dict[str, Any]) -> None:
        """Replace the rows of the source table."""
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
        """Empty or drop all tables of the result schema."""
        with self.connected(self.result_url) as connection:
            for name in inspect(connection).get_table_names():
                connection.execute(text(f"DROP TABLE {name}" if tables else f"DELETE FROM {name}"))

    def rules(self, content: str = NAMES, model_type: str = "keyword_model", predict_type: str = "author_name") -> None:
        """Write a rules file."""
        path = self.settings.rules_dir / model_type / f"{predict_type}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())

    def task(self, task_id: str = "1", **request: Any) -> Task:
        """Return a task of 12 hours from 2020-01-01; *request* are its fields."""
        fields = {"start_time": "2020-01-01 00:00:00", "end_time": "2020-01-01 12:00:00"} | request
        return make_task(LabelingRequest(**fields), self.settings, task_id.zfill(32))

    def pipeline(self, task_id: str = "1", **options: Any) -> Pipeline:
        """Return the steps of a task; *options* are fields of the request, and settings."""
        fields = {name: value for name, value in options.items() if name in LabelingRequest.model_fields}
        task = self.task(task_id, **fields)
        settings = self.settings.model_copy(update={n: value for n, value in options.items() if n not in fields})
        return self.run_of(task, f"run-{task_id}", settings)

    def run_of(self, task: Task, dag_run_id: str, settings: AudienceSettings | None = None) -> Pipeline:
        """Return the steps of a task in a DAG run."""
        dependencies = Dependencies(
            settings=settings or self.settings,
            root=self.root,
            clock=self.clock,
            measure=self._measure,
            note=self.notes.append,
            name_batch=self.batches.append,
        )
        return Pipeline(dependencies, task, dag_run_id)

    def folder(self, task_id: str = "1") -> Path:
        """Return the folder of a task in storage."""
        return layout.task_folder(self.root, task_id.zfill(32))

    def _measure(self, values: Any, tags: Mapping[str, str]) -> None:
        for name, value in (values() if callable(values) else values).items():
            self.metrics[name, *tags.values()] = value

    def run(self, task_id: str = "1", *, times: int = 1, **options: Any) -> Outcome:
        """Run all steps of a task, each *times* times; *options* as in `pipeline`."""
        steps = self.pipeline(task_id, **options)
        for _ in range(times):
            batches = steps.open_task()
        for batch in batches:
            for _ in range(times):
                steps.label(batch)
        for step in (steps.close_labeling, steps.produce):
            for _ in range(times):
                step()
        return self.outcome(task_id)

    def outcome(self, task_id: str = "1") -> Outcome:
        """Return what a task has written so far."""
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
