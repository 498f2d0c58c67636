"""Databases that cannot be used, secrets, and the documented paths."""

import time
from pathlib import Path

import pytest

from quartet.api.audience import service
from tests.support.audience_api import (
    FBFANS,
    NO_SUCH,
    add,
    create,
)


def test_no_answer_shows_a_password(no_database):
    for answer in [
        no_database.post("/api/tasks/", json={}),
        no_database.get("/api/tasks/"),
        no_database.get(f"/api/tasks/{NO_SUCH}"),
        no_database.get(f"/api/tasks/{NO_SUCH}/sample/", params=FBFANS),
        no_database.post(f"/api/tasks/{NO_SUCH}/abort"),
        no_database.get(f"/api/tasks/{NO_SUCH}/coverage"),
    ]:
        assert answer.status_code == 200
        for part in ("p@ss", "w/rd", "%41", "p%40ss", "more", "SELECT", "sqlalche", str(Path.cwd())):
            assert part not in answer.text


def test_a_wrong_password_is_refused_without_showing_it(mariadb, environment, started, open_client):
    for name, value in {
        "HOST": mariadb.host, "PORT": str(mariadb.port), "USER": "nobody", "PASSWORD": "p@ss:w/rd%41",
        "SCHEMA": mariadb.database,
    }.items():  # fmt: skip
        environment.setenv(f"OUTPUT_{name}", value)
    with open_client() as client:
        answer = create(client)
        assert answer["error_code"] == 503
        assert "(1045, " in answer["error_message"] or "(1698, " in answer["error_message"]
        assert "p@ss" not in answer["error_message"]
        assert client.get("/api/tasks/").json()["error_code"] == 500


def test_a_password_in_a_stored_text_is_not_shown(settings, engine, environment, started, open_client):
    task_id = add(engine, stat="FAILURE", error_message="user x with hunter22 was refused")
    environment.setenv("INPUT_PASSWORD", "hunter22")
    with open_client() as client:
        assert client.get(f"/api/tasks/{task_id}").json()["detail"] == "user x with *** was refused"
        assert client.get("/api/tasks/").json()["content"][0]["error_message"] == "user x with *** was refused"


def test_a_file_that_is_no_database(environment, home, started, open_client):
    (home / "data/audience").mkdir(parents=True)
    (home / "data/audience/audience_result.db").write_text("no database" * 1000)
    with open_client() as client:
        assert create(client)["error_code"] == 503
        assert client.get("/api/tasks/").json()["error_code"] == 500
        assert client.get(f"/api/tasks/{NO_SUCH}").json()["error_code"] == 400
        assert client.get(f"/api/tasks/{NO_SUCH}/sample/", params=FBFANS).json()["error_code"] == 500
        assert client.get(f"/api/tasks/{NO_SUCH}/coverage").json()["error_code"] == 500
        assert client.post(f"/api/tasks/{NO_SUCH}/abort").json()["error_code"] == 400


def test_no_path_is_redirected_and_the_documents_name_each_once(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {path: sorted(methods) for path, methods in paths.items()} == {
        "/api/tasks/": ["get", "post"],
        "/api/tasks/{task_id}": ["delete", "get"],
        "/api/tasks/{task_id}/sample/": ["get"],
        "/api/tasks/{task_id}/abort": ["post"],
        "/api/rules/preview": ["post"],
        "/api/rules/preview/{preview_id}": ["get"],
        "/api/tasks/{task_id}/coverage": ["get"],
    }
    assert client.get("/docs/").status_code == 404


@pytest.fixture
def no_answers(silent_server, environment, started, open_client):
    """Yield a client of an app whose server accepts connections and stays silent."""
    host, port = silent_server
    environment.setenv("OUTPUT_HOST", host)
    environment.setenv("OUTPUT_PORT", str(port))
    with open_client() as client:
        yield client


def test_a_server_that_is_silent_costs_seconds(no_answers, started):
    began = time.monotonic()
    answer = create(no_answers)
    assert time.monotonic() - began < 20
    assert (answer["error_code"], started) == (503, [])
    assert "the database server does not answer" in answer["error_message"]


def test_a_server_that_is_silent_is_named_by_every_route(no_answers, monkeypatch):
    monkeypatch.setattr(service, "CONNECT_SECONDS", 1)
    calls = [
        no_answers.get(f"/api/tasks/{NO_SUCH}"),
        no_answers.get(f"/api/tasks/{NO_SUCH}/sample/", params=FBFANS),
        no_answers.post(f"/api/tasks/{NO_SUCH}/abort"),
        no_answers.get(f"/api/tasks/{NO_SUCH}/coverage"),
    ]
    assert all(call.elapsed.total_seconds() < 4 for call in calls)
    assert [call.json()["error_code"] for call in calls] == [400, 500, 400, 500]
    assert all("the database server does not answer" in call.json()["error_message"] for call in calls)
    listed = no_answers.get("/api/tasks/")
    assert listed.elapsed.total_seconds() < 4
    assert listed.json() == {"error_code": 500, "error_message": "cannot connect to state table", "content": []}
