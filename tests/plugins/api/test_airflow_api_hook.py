"""The note of a run, set by a task through Airflow's REST API; a failure never fails the task."""

import json
import logging
from types import SimpleNamespace

import httpx
import pytest
from airflow.sdk import Connection

from quartet.hooks import airflow_api
from quartet.hooks.airflow_api import AirflowApiHook
from tests.plugins.api.conftest import PASSWORDS, serving
from tests.support.api_client import Client


@pytest.fixture
def server(monkeypatch):
    """Connect the hook to a function `answer(request)`; return the list of its requests."""
    requests: list[httpx.Request] = []
    client = httpx.Client

    def start(answer):
        def handle(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            return answer(request)

        transport = httpx.MockTransport(handle)
        monkeypatch.setattr(httpx, "Client", lambda **options: client(transport=transport, **options))
        return requests

    monkeypatch.setattr(airflow_api, "_tokens", {})
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:9090")
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "False")
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_API", "http://writer:secret@")
    return start


def airflow_says(tokens: list[str], valid: str):
    """Build a server that issues one token after the other, of which only one is valid."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": tokens.pop(0)})
        return httpx.Response(200 if request.headers.get("Authorization") == f"Bearer {valid}" else 401)

    return answer


def test_no_token_is_requested_where_all_are_admins(server, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
    monkeypatch.delenv("AIRFLOW_CONN_QUARTET_API")
    requests = server(lambda _: httpx.Response(200))
    context = {"dag_run": SimpleNamespace(dag_id="a dag", run_id="manual__2026-11-21T12:00:00+00:00_x")}
    assert AirflowApiHook().note(context, "3 files")
    [request] = requests
    assert request.method == "PATCH"
    assert request.url == (
        "http://127.0.0.1:9090/api/v2/dags/a%20dag/dagRuns/manual__2026-11-21T12%3A00%3A00%2B00%3A00_x?update_mask=note"
    )
    assert json.loads(request.content) == {"note": "3 files"}
    assert "Authorization" not in request.headers


def test_a_process_logs_in_once(server):
    requests = server(airflow_says(["t1"], "t1"))
    assert AirflowApiHook().note(("d", "r1"), "one")
    assert AirflowApiHook().note(("d", "r2"), "two")
    assert [request.url.path for request in requests] == [
        "/auth/token",
        "/api/v2/dags/d/dagRuns/r1",
        "/api/v2/dags/d/dagRuns/r2",
    ]
    assert json.loads(requests[0].content) == {"username": "writer", "password": "secret"}


def test_an_expired_token_is_replaced(server):
    tokens = ["old"]
    server(airflow_says(tokens, "old"))
    assert AirflowApiHook().note(("d", "r"), "one")
    server(airflow_says(["new"], "new"))
    assert AirflowApiHook().note(("d", "r"), "two")


def test_the_connection_may_name_another_address(server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_API", "http://writer:secret@api-server:8081/https")
    requests = server(airflow_says(["t"], "t"))
    assert AirflowApiHook().note(("d", "r"), "one")
    assert {request.url.netloc for request in requests} == {b"api-server:8081"}
    assert requests[0].url.scheme == "https"


@pytest.mark.parametrize(("length", "kept"), [(1000, 1000), (1001, 999), (50_000, 999)])
def test_a_long_note_is_cut(server, length, kept):
    requests = server(airflow_says(["t"], "t"))
    AirflowApiHook().note(("d", "r"), "ä" * length)
    note = json.loads(requests[-1].content)["note"]
    assert note == "ä" * kept + ("…" if kept < length else "")
    assert len(note) <= 1000


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: httpx.Response(500),
        lambda _: httpx.Response(404),
        lambda _: httpx.Response(403),
        lambda _: httpx.Response(201, text="no JSON"),
        lambda request: (_ for _ in ()).throw(httpx.ConnectTimeout("slow", request=request)),
    ],
    ids=["500", "404", "403", "nonsense", "timeout"],
)
def test_a_failure_is_a_warning(server, caplog, answer):
    server(answer)
    assert not AirflowApiHook().note(("d", "r"), "3 files")
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "The note '3 files' was not set" in record.getMessage()
    assert "secret" not in caplog.text


def test_a_missing_connection_is_a_warning(server, monkeypatch, caplog):
    monkeypatch.delenv("AIRFLOW_CONN_QUARTET_API")
    requests = server(lambda _: httpx.Response(200))
    monkeypatch.setattr(Connection, "get", lambda _: (_ for _ in ()).throw(LookupError("no quartet_api")))
    assert not AirflowApiHook().note(("d", "r"), "x")
    assert requests == []
    assert "no quartet_api" in caplog.text


def test_without_a_server_it_gives_up_at_once(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:1")
    assert not AirflowApiHook().note(("d", "r"), "x")


def note_as(client: Client, monkeypatch: pytest.MonkeyPatch, run_id: str, text: str) -> bool:
    """Set a note through the hook, whose HTTP client is Airflow's app in this process."""
    monkeypatch.setattr(airflow_api, "_tokens", {})
    with monkeypatch.context() as patch:
        patch.setattr(httpx, "Client", lambda **_: Client(client.app, PASSWORDS))
        return AirflowApiHook().note(("ratings_train", run_id), text)


def start(client: Client, headers: dict[str, str]) -> str:
    answer = client.post("/api/v2/dags/ratings_train/dagRuns", json={"logical_date": None}, headers=headers)
    return answer.raise_for_status().json()["dag_run_id"]


@pytest.mark.parametrize(("user", "done"), [("admin", True), ("viewer", False)])
def test_airflow_shows_the_note_of_who_may_set_it(airflow: Client, monkeypatch, user, done):
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_API", f"http://{user}:{PASSWORDS[user]}@")
    admin = airflow.as_user("admin")
    run_id = start(airflow, admin)
    assert note_as(airflow, monkeypatch, run_id, "3 files, 7 rows") is done
    run = airflow.get(f"/api/v2/dags/ratings_train/dagRuns/{run_id}", headers=admin).json()
    assert run["note"] == ("3 files, 7 rows" if done else None)
    assert run["state"] == "queued"


def test_airflow_shows_the_note_where_all_are_admins(airflow_home, monkeypatch):
    with serving(all_admins=True) as client:
        run_id = start(client, {})
        assert note_as(client, monkeypatch, run_id, "first")
        assert note_as(client, monkeypatch, run_id, "second")
        assert client.get(f"/api/v2/dags/ratings_train/dagRuns/{run_id}").json()["note"] == "second"
