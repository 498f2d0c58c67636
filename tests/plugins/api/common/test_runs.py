"""Airflow's REST API called in process, by apps mounted on Airflow's real app."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from starlette.routing import Mount

from quartet.api.common import runs
from quartet.api.common.auth import PUBLIC, may_read, may_run
from quartet.api.common.errors import install_error_handlers
from tests.plugins.api.conftest import serving
from tests.support.api_client import Client


def probe() -> FastAPI:
    """An app like those of the workflows, with routes that call Airflow."""
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/runs/{dag_id}", dependencies=[may_read("ratings_train")])
    async def listing(request: Request, dag_id: str, limit: int = 2):
        return await runs.list_runs(request, dag_id, limit)

    @app.get("/runs/{dag_id}/{run_id}", dependencies=[may_read("ratings_train")])
    async def one(request: Request, dag_id: str, run_id: str):
        return await runs.get_run(request, dag_id, run_id)

    @app.post("/runs/{dag_id}", dependencies=[may_run("ratings_train")])
    async def start(request: Request, dag_id: str, run_id: str | None = None):
        return await runs.trigger(request, dag_id, {"model": 3}, run_id, note="rolled back")

    @app.post("/unguarded/{dag_id}", dependencies=[PUBLIC])
    async def unguarded(request: Request, dag_id: str):
        return await runs.trigger(request, dag_id, {})

    return app


@pytest.fixture
def client(airflow: Client) -> Iterator[Client]:
    airflow.cookies.clear()
    with mounted(airflow):
        yield airflow


class mounted:
    """Mount the probe on Airflow's app, before the route that catches all."""

    def __init__(self, client: Client) -> None:
        self.routes = client.app.router.routes

    def __enter__(self) -> None:
        self.routes.insert(0, Mount("/probe", probe()))

    def __exit__(self, *_: object) -> None:
        del self.routes[0]


def test_without_a_token_nothing_is_shown(client):
    answer = client.get("/probe/runs/ratings_train")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Not authenticated", "errors": []}


def test_a_wrong_token_is_refused(client):
    answer = client.get("/probe/runs/ratings_train", headers={"Authorization": "Bearer x.y.z"})
    assert answer.status_code == 403


def test_a_viewer_reads_and_does_not_write(client):
    viewer = client.as_user("viewer")
    assert client.get("/probe/runs/ratings_train", headers=viewer).status_code == 200
    assert client.post("/probe/runs/ratings_train", headers=viewer).status_code == 403


def test_an_admin_starts_a_run_that_airflow_shows(client):
    admin = client.as_user("admin")
    run_id = client.post("/probe/runs/ratings_train", headers=admin).raise_for_status().json()
    run = client.get(f"/probe/runs/ratings_train/{run_id}", headers=admin).json()
    assert (run["conf"], run["note"], run["triggering_user_name"]) == ({"model": 3}, "rolled back", "admin")
    assert run["logical_date"] is None
    assert client.get("/probe/runs/ratings_train", headers=admin).json()[0] == run


def test_the_newest_runs_come_first_and_limited(client):
    admin = client.as_user("admin")
    started = [client.post("/probe/runs/ratings_predict", headers=admin).json() for _ in range(3)]
    listed = client.get("/probe/runs/ratings_predict", headers=admin).json()
    assert [run["dag_run_id"] for run in listed] == started[:0:-1]


def test_the_cookie_of_the_web_ui_is_as_good_as_the_header(client):
    client.cookies.set("_token", client.token("viewer"))
    assert client.get("/probe/runs/ratings_train").status_code == 200
    assert client.post("/probe/unguarded/ratings_train").status_code == 403


def test_airflow_authorises_the_caller_even_where_our_guard_does_not(client):
    assert client.post("/probe/unguarded/ratings_train").status_code == 401
    assert client.post("/probe/unguarded/ratings_train", headers=client.as_user("viewer")).status_code == 403


def test_refusals_of_airflow_are_passed_on(client):
    admin = client.as_user("admin")
    client.post("/probe/runs/ratings_train?run_id=once", headers=admin)
    for method, path, status, text in [
        ("POST", "/runs/ratings_train?run_id=once", 409, "Unique constraint violation"),
        ("POST", "/runs/no_such_dag", 404, "no_such_dag"),
        ("POST", "/runs/ratings_train%3Fx=1", 404, "ratings_train?x=1"),
        ("GET", "/runs/ratings_train/%2E%2E", 404, "`..` was not found"),
        ("GET", "/runs/%2E%2E/x", 404, "dag_id: `..`"),
        ("GET", "/runs/ratings_train?limit=-5", 422, "limit: Input should be greater than or equal to 0"),
    ]:
        answer = client.request(method, f"/probe{path}", headers=admin)
        assert answer.status_code == status, (path, answer.text)
        assert text in answer.json()["detail"]


def test_a_fault_in_airflow_is_503(client, monkeypatch):
    async def broken(scope, receive, send):
        raise RuntimeError("no database")

    monkeypatch.setattr("airflow.api_fastapi.app.cached_app", lambda **_: broken)
    answer = client.get("/probe/runs/ratings_train", headers=client.as_user("admin"))
    assert answer.status_code == 503
    assert "Airflow is unavailable" in answer.json()["detail"]


def test_where_all_are_admins_nobody_needs_a_token(airflow_home):
    with serving(all_admins=True) as client, mounted(client):
        assert client.get("/probe/runs/ratings_train").status_code == 200
        assert client.post("/probe/runs/ratings_train").status_code == 200


def test_the_app_is_the_one_that_the_server_runs():
    """Asked in other words, Airflow would make a second app."""
    spec = importlib.util.find_spec("airflow.api_fastapi.main")
    words = 'cached_app(apps=os.environ.get("AIRFLOW_API_APPS", "all"))'
    assert words in Path(spec.origin).read_text()
    assert words in Path(runs.__file__).read_text()
