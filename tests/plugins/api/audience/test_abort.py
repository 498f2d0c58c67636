"""`POST /api/tasks/{task_id}/abort`."""

from typing import Any

import pytest

from quartet.api.common import runs
from quartet.api.common.errors import ApiError
from tests.support.audience_api import (
    INJECTIONS,
    NO_SUCH,
    UNKNOWN,
    add,
    rows_of,
)


def test_a_running_task_in_both_spellings(client, engine, ended):
    for ending in ("", "/"):
        task_id = add(engine)
        answer = client.post(f"/api/tasks/{task_id}/abort{ending}")
        assert answer.status_code == 200
        assert list(answer.json().items()) == [
            ("error_code", 200), ("error_message", "OK"), ("status", "BREAK"), ("prod_status", None),
            ("result", ""),
        ]  # fmt: skip
        assert client.get(f"/api/tasks/{task_id}").json() == answer.json()
    assert ended == []


def test_a_task_that_waits_for_production_loses_its_run(client, engine, ended):
    task_id = add(engine, stat="SUCCESS", result="fbfans")
    answer = client.post(f"/api/tasks/{task_id}/abort").json()
    assert (answer["status"], answer["prod_status"], answer["result"]) == ("BREAK", None, "fbfans")
    assert ended == [("audience_labeling", f"api__{task_id}")]


def test_a_task_without_a_run_is_aborted_too(client, engine, ended):
    task_id = add(engine, stat="SUCCESS", dag_run_id=None)
    assert client.post(f"/api/tasks/{task_id}/abort").json()["status"] == "BREAK"
    assert ended == []


def test_a_run_that_cannot_be_ended_is_only_logged(client, engine, monkeypatch, caplog):
    async def end(*_: Any) -> None:
        raise ApiError(404, "gone")

    monkeypatch.setattr(runs, "fail", end)
    task_id = add(engine, stat="SUCCESS")
    assert client.post(f"/api/tasks/{task_id}/abort").json()["status"] == "BREAK"
    assert f"its run api__{task_id} was not ended" in caplog.text


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"stat": "SUCCESS", "prod_stat": "finish"}, "the task is finished; nothing was changed"),
        ({"stat": "SUCCESS", "prod_stat": "no_data"}, "the task is finished; nothing was changed"),
        ({"stat": "FAILURE", "error_message": "why"}, "the task has failed; nothing was changed"),
        ({"stat": "BREAK"}, "the task was aborted before; nothing was changed"),
    ],
    ids=str,
)
def test_a_task_that_has_ended_is_left_alone(client, engine, ended, columns, message):
    task_id = add(engine, **columns)
    before = rows_of(engine)
    answer = client.post(f"/api/tasks/{task_id}/abort").json()
    assert (answer["error_code"], answer["error_message"]) == (200, message)
    assert answer["status"] == columns["stat"]
    assert (rows_of(engine), ended) == (before, [])


@pytest.mark.parametrize("task_id", [NO_SUCH, *INJECTIONS])
def test_unknown_ids(client, engine, ended, task_id):
    known = add(engine)
    for ending in ("", "/"):
        for unknown in (task_id, f"{known}%20"):
            answer = client.post(f"/api/tasks/{unknown}/abort{ending}").json()
            assert answer["error_code"] == 400
            assert answer["error_message"].startswith(UNKNOWN)
            assert answer["status"] is None
    assert [row.stat for row in rows_of(engine)] == ["PENDING"]


def test_before_the_first_task_no_file_is_made(client, home):
    assert client.post(f"/api/tasks/{NO_SUCH}/abort").json()["error_code"] == 400
    assert not (home / "data/audience/audience_result.db").exists()


def test_no_database(no_database):
    answer = no_database.post(f"/api/tasks/{NO_SUCH}/abort").json()
    assert answer["error_code"] == 400
    assert answer["error_message"].startswith(f"{UNKNOWN} Addition error message: (2003, ")
