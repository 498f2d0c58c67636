"""`GET /api/tasks/{task_id}`."""

import pytest

from tests.support.audience_api import (
    INJECTIONS,
    NO_SUCH,
    UNKNOWN,
    add,
)


def test_the_status_in_both_spellings(client, engine):
    task_id = add(engine)
    for path in (f"/api/tasks/{task_id}", f"/api/tasks/{task_id}/"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert list(answer.json().items()) == [
            ("error_code", 200), ("error_message", "OK"), ("status", "PENDING"), ("prod_status", None),
            ("result", ""),
        ]  # fmt: skip


def test_the_end_and_a_failure(client, engine):
    done = add(engine, stat="SUCCESS", prod_stat="finish", result="fbfans,forum")
    assert client.get(f"/api/tasks/{done}").json() == {
        "error_code": 200, "error_message": "OK", "status": "SUCCESS", "prod_status": "finish",
        "result": "fbfans,forum",
    }  # fmt: skip
    failed = add(engine, stat="FAILURE", error_message="it's so")
    answer = client.get(f"/api/tasks/{failed}").json()
    assert list(answer) == ["error_code", "error_message", "status", "prod_status", "result", "detail"]
    assert (answer["status"], answer["detail"]) == ("FAILURE", "it's so")


@pytest.mark.parametrize("task_id", [NO_SUCH, "x", *INJECTIONS, "a%00b", "%FF"])
def test_unknown_ids(client, engine, task_id):
    known = add(engine)
    for path in (f"/api/tasks/{task_id}", f"/api/tasks/{task_id}/"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert list(answer.json()) == ["error_code", "error_message", "status", "prod_status", "result"]
        message = answer.json().pop("error_message")
        assert message.startswith(f"{UNKNOWN} Addition error message: there is no task ")
        assert answer.json() | {"error_message": ""} == {
            "error_code": 400, "error_message": "", "status": None, "prod_status": None, "result": None,
        }  # fmt: skip
    assert client.get(f"/api/tasks/{known}%20").json()["error_code"] == 400  # the column's collation pads


def test_before_the_first_task(client):
    assert client.get(f"/api/tasks/{NO_SUCH}").json()["error_code"] == 400


def test_no_database(no_database):
    answer = no_database.get(f"/api/tasks/{NO_SUCH}").json()
    assert answer["error_code"] == 400
    assert answer["error_message"].startswith(f"{UNKNOWN} Addition error message: (2003, ")
    assert (answer["status"], answer["prod_status"], answer["result"]) == (None, None, None)


def test_a_failed_production_is_told(client, engine):
    failed = add(engine, stat="SUCCESS", result="fbfans", error_message="production failed: the disk is full")
    answer = client.get(f"/api/tasks/{failed}").json()
    assert (answer["status"], answer["prod_status"]) == ("SUCCESS", None)
    assert answer["detail"] == "production failed: the disk is full"
    fine = add(engine, stat="SUCCESS", result="fbfans")
    assert "detail" not in client.get(f"/api/tasks/{fine}").json()
