"""`DELETE /api/tasks/{task_id}`."""

import pytest
from sqlalchemy import func, inspect, select

from include.audience import layout
from include.audience.results import batches, state, tables
from include.core.database.bulk import insert_rows
from quartet.api.audience import service
from tests.support.audience_api import FBFANS, NO_SUCH, UNKNOWN, add, fill, pin, rows_of


def counts(engine, task_id: str) -> dict[str, int]:
    """Count the rows of a task in every table that has any."""
    found = {}
    with engine.connect() as connection:
        for name in inspect(engine).get_table_names():
            table = tables.metadata.tables.get(name, tables.temp(name) if name not in tables.metadata.tables else None)
            count = connection.scalar(select(func.count()).select_from(table).where(table.c.task_id == task_id))
            found[name] = count
    return {name: count for name, count in found.items() if count}


def filled(engine, home, **columns) -> str:
    task_id = add(engine, **columns)
    for name in ("fbfans", "wh_panel_mapping_fbfans", "forum"):
        fill(engine, name, task_id, 3)
    with engine.begin() as connection:
        insert_rows(connection, tables.COVERAGE, tables.COVERAGE.columns.keys(), [(task_id, 0, "female", 0, 1, 1, 0)])
        insert_rows(connection, tables.PROGRESS, ["task_id", "batch", "received"], [(task_id, 0, 3)])
    pin(home, task_id)
    return task_id


@pytest.mark.parametrize("ending", ["", "/"])
def test_all_stores_forget_a_task_and_keep_the_others(client, engine, home, ended, ending):
    deleted, kept = (filled(engine, home, stat="SUCCESS", prod_stat="finish") for _ in range(2))
    before = counts(engine, kept)
    assert counts(engine, deleted) == before
    assert len(before) == 6
    answer = client.delete(f"/api/tasks/{deleted}{ending}")
    assert (answer.status_code, answer.json()["error_code"], answer.json()["error_message"]) == (200, 200, "deleted")
    assert counts(engine, deleted) == {}
    assert counts(engine, kept) == before
    folders = [path.name for path in layout.tasks(home / "data/audience").iterdir()]
    assert (folders, ended) == ([kept], [])
    assert client.get(f"/api/tasks/{deleted}/sample", params=FBFANS).json()["error_code"] == 404
    again = client.delete(f"/api/tasks/{deleted}").json()
    assert (again["error_code"], again["error_message"].startswith(UNKNOWN)) == (400, True)


def test_nothing_is_written_for_a_deleted_task(client, engine, home, ended):
    task_id = filled(engine, home)
    assert client.delete(f"/api/tasks/{task_id}").json()["error_code"] == 200
    assert ended == [("audience_labeling", f"api__{task_id}")]
    with engine.begin() as connection, pytest.raises(state.TaskAbortedError, match="was deleted"):
        state.lock(connection, task_id)
    with pytest.raises(state.TaskAbortedError):
        batches.plan_batches(engine, task_id, [])


def test_a_deletion_that_was_interrupted_is_repeated(client, engine, home, monkeypatch):
    task_id = filled(engine, home, stat="FAILURE")

    def interrupted(*_) -> None:
        raise OSError("the storage is down")

    with monkeypatch.context() as patch:
        patch.setattr(service.Sweeper, "sweep_away", interrupted)
        assert client.delete(f"/api/tasks/{task_id}").json()["error_code"] == 400
    assert [row.task_id for row in rows_of(engine)] == [task_id]
    assert client.delete(f"/api/tasks/{task_id}").json()["error_code"] == 200
    assert counts(engine, task_id) == {}


def test_unknown_ids(client, engine):
    assert client.delete(f"/api/tasks/{NO_SUCH}").json()["error_code"] == 400


def test_before_the_first_task_no_file_is_made(client, home):
    assert client.delete(f"/api/tasks/{NO_SUCH}").json()["error_code"] == 400
    assert not (home / "data/audience/audience_result.db").exists()
