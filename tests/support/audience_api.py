"""Calls of the audience API, and rows for it to read."""

from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, update

from include.audience import layout
from include.audience.plan import Plan
from include.audience.request import LabelingRequest
from include.audience.results import state, tables
from include.audience.rules import files
from include.audience.settings import AudienceSettings
from include.audience.task import make_task
from include.core.database.bulk import insert_rows
from include.core.storage import write_json, write_whole

RULES = 'panel,keyword,match_type\nmale,mark,partially\nfemale,lily,partially\nfemale,ann,"start,end"\n'
KEYS = [
    "task_id", "stat", "prod_stat", "model_type", "predict_type", "date_range", "target_table", "create_time",
    "peak_memory", "length_receive_table", "length_output_table", "length_prod_table", "result", "uniq_source_author",
    "rate_of_label", "run_time", "check_point", "error_message",
]  # fmt: skip
COLUMNS = ["id", "task_id", "source_author", "panel", "create_time", "field_content", "match_content"]
UNKNOWN = "task id is not exist, plz re-check the task id."
NO_SUCH = "f" * 32
FBFANS = {"table_name": "wh_panel_mapping_fbfans"}
INJECTIONS = [
    "x' OR '1'='1", '"; DROP TABLE state; --', "%' --", "a\\", "\u2028", "王小明", "\U0001f600", "a" * 500, "%s",
]  # fmt: skip


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/tasks/", json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def add(engine: Engine, instant: float = 1e9, /, **columns: Any) -> str:
    """Insert a task, set columns of its row, and return its id."""
    task = make_task(LabelingRequest(target_schema="wh_fb"), AudienceSettings.load())
    now = datetime(2021, 11, 9, 15, 5, 45)
    state.insert_task(engine, task, f"api__{task.task_id}", now, instant)
    if columns:
        with engine.begin() as connection:
            connection.execute(update(tables.STATE).where(tables.STATE.c.task_id == task.task_id).values(columns))
    return task.task_id


def fill(engine: Engine, name: str, task_id: str, count: int, seconds: int = 60) -> None:
    """Write rows of a task, two at a time every *seconds*; rows of the same time have descending ids."""
    table = tables.temp(name)
    tables.ensure(engine, [table])
    rows = [
        (f"{count - number:06}", task_id, f"WH_F0045_王{number}", "/female",
         datetime(2020, 1, 1) + timedelta(seconds=number // 2 * seconds), "WH_F0045", "王")
        for number in range(count)
    ]  # fmt: skip
    with engine.begin() as connection:
        insert_rows(connection, table, COLUMNS, rows)


def rows_of(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(tables.STATE)))


def pin(home: Path, task_id: str) -> None:
    """Pin the rules of a task."""
    task = make_task(LabelingRequest(), AudienceSettings.load(), task_id)
    pinned = files.parse_csv(RULES, "keyword_model", "author_name", "rules.csv")
    plan = Plan(task, 6, "drop", pinned.checksum, "", [[(0, 0)]])
    folder = layout.task_folder(home / "data/audience", task_id)
    write_whole(layout.rules_file(folder), pinned.as_csv().encode())
    write_json(layout.plan_file(folder), asdict(plan) | {"task": task.as_json()})
