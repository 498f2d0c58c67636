"""`GET /api/tasks/`."""

import time
from datetime import datetime

import pytest
from sqlalchemy import text

from include.audience.results import batches
from include.core.database.engine import open_engine
from quartet.api.common import runs
from quartet.api.common.errors import ApiError
from tests.support.audience_api import (
    KEYS,
    add,
    create,
    rows_of,
)
from tests.support.old_results import OLD_ROW, OLD_STATE


def test_before_the_first_task_it_is_empty(client, home):
    for path in ("/api/tasks/", "/api/tasks"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.json() == {"error_code": 200, "error_message": "OK", "content": []}
    assert not (home / "data/audience/audience_result.db").exists()


def test_a_task_has_these_keys_in_this_order(client, engine):
    task_id = add(
        engine, stat="SUCCESS", prod_stat="finish", length_receive_table=2376186, length_output_table=308246,
        length_prod_table="236705", result="fbfans", uniq_source_author="1672893", rate_of_label="14.15",
        run_time=1.63621,
    )  # fmt: skip
    answer = client.get("/api/tasks/").json()
    assert list(answer) == ["error_code", "error_message", "content"]
    assert list(answer["content"][0].items()) == list(
        zip(
            KEYS,
            [
                task_id, "SUCCESS", "finish", "keyword_model", "author",
                "2020-01-01 00:00:00 - 2021-01-01 00:00:00", "wh_fb", "2021-11-09T15:05:45", None, 2376186,
                308246, 236705, "fbfans", "1672893", "14.15", 1.63621, None, None,
            ],
            strict=True,
        )
    )  # fmt: skip


def test_lists_failures_and_fresh_tasks(client, engine):
    add(engine, 3, length_prod_table="2,5,3", stat="FAILURE", error_message="why", check_point=datetime(2020, 3, 18))
    add(engine, 2)
    first, second = client.get("/api/tasks").json()["content"]
    assert (first["length_prod_table"], first["error_message"]) == ("2,5,3", "why")
    assert first["check_point"] == "2020-03-18T00:00:00"
    assert {key: second[key] for key in KEYS[8:]} == dict.fromkeys(KEYS[8:]) | {"result": ""}
    assert (second["stat"], second["prod_stat"]) == ("PENDING", None)


def test_the_newest_come_first_also_within_a_second(client, engine):
    ids = [add(engine, 1e9 + number / 1000) for number in (3, 1, 6, 2, 5, 4)]
    old = add(engine, 2e9, create_time=datetime(2021, 11, 9, 15, 5, 44))
    found = [row["task_id"] for row in client.get("/api/tasks/").json()["content"]]
    assert found == [ids[2], ids[4], ids[5], ids[0], ids[3]]
    assert old not in found


def test_its_length_is_a_setting(settings, engine, environment, open_client):
    for _ in range(3):
        add(engine)
    environment.setenv("AUDIENCE_LIST_LENGTH", "2")
    with open_client() as client:
        assert len(client.get("/api/tasks/").json()["content"]) == 2


def test_tasks_created_quickly_are_listed_in_their_order(client):
    ids = [create(client)["error_message"]["task_id"] for _ in range(5)]
    assert [row["task_id"] for row in client.get("/api/tasks/").json()["content"]] == ids[::-1]


def test_no_database(no_database):
    for path in ("/api/tasks/", "/api/tasks"):
        answer = no_database.get(path)
        assert answer.status_code == 200
        assert answer.json() == {"error_code": 500, "error_message": "cannot connect to state table", "content": []}


@pytest.mark.parametrize("path", ["/api/tasks/", f"/api/tasks/{'a' * 32}"])
def test_tasks_of_the_system_before_are_listed(client, settings, path):
    """Its table has neither our columns nor a key."""
    with open_engine(settings.result_url(settings.output_schema)) as engine, engine.begin() as connection:
        connection.execute(text(OLD_STATE.format(key="")))
        connection.execute(text(OLD_ROW.format(id="a" * 32)))
    answer = client.get(path).json()
    assert answer["error_code"] == 200
    assert "fbfans" in str(answer)
    new = create(client)["error_message"]["task_id"]
    assert [row["task_id"] for row in client.get("/api/tasks/").json()["content"]] == [new, "a" * 32]


def test_a_table_of_another_system_is_named(client, settings):
    with open_engine(settings.result_url(settings.output_schema)) as engine, engine.begin() as connection:
        connection.execute(text("CREATE TABLE state (id INT)"))
    answer = create(client)
    assert answer["error_code"] == 503
    assert "the table state is another one, without the columns task_id, stat, " in answer["error_message"]
    assert client.get("/api/tasks/").json()["error_code"] == 500


@pytest.mark.parametrize("path", ["/api/tasks/", "/api/tasks/{}"])
def test_a_task_whose_run_was_never_started_is_closed(client, engine, monkeypatch, path):
    """As if the server had been killed after it inserted the task."""
    lost = add(engine)
    alone, opened, new = add(engine, dag_run_id="manual__1"), add(engine), add(engine, time.time())
    batches.plan_batches(engine, opened, [datetime(2020, 1, 1)])

    async def get_run(request, dag_id, run_id):
        raise ApiError(404, f"there is no run {run_id}")

    client.get(path.format(lost))  # all runs exist
    assert {row.stat for row in rows_of(engine)} == {"PENDING"}
    monkeypatch.setattr(runs, "get_run", get_run)
    answer = client.get(path.format(lost)).json()
    assert "its run was never started: create another task" in str(answer)
    stats = {row.task_id: row.stat for row in rows_of(engine)}
    assert stats == {lost: "FAILURE", alone: "PENDING", opened: "PENDING", new: "PENDING"}


@pytest.mark.parametrize("error", [ApiError(403, "not allowed"), ApiError(503, "busy"), OSError("gone")])
def test_a_task_whose_run_cannot_be_looked_up_is_left(client, engine, monkeypatch, error):
    lost = add(engine)

    async def get_run(request, dag_id, run_id):
        raise error

    monkeypatch.setattr(runs, "get_run", get_run)
    assert [row["task_id"] for row in client.get("/api/tasks/").json()["content"]] == [lost]
    assert [row.stat for row in rows_of(engine)] == ["PENDING"]
