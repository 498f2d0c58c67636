"""The guards, on a small app with given users."""

import pytest
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from fastapi import FastAPI
from fastapi.testclient import TestClient

from quartet.api.common.auth import PUBLIC, may_read, may_run


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    app.get("/read", dependencies=[may_read("d")])(lambda: "read")
    app.post("/write", dependencies=[may_run("d")])(lambda: "written")
    app.get("/public", dependencies=[PUBLIC])(lambda: "public")
    return app


@pytest.mark.parametrize(
    ("role", "read", "write"),
    [(None, 401, 401), ("viewer", 200, 403), ("user", 200, 200), ("op", 200, 200), ("admin", 200, 200)],
)
def test_a_role_may_do_what_airflow_says(app, signed_in, role, read, write):
    signed_in(app, role)
    client = TestClient(app)
    assert client.get("/read").status_code == read
    assert client.post("/write").status_code == write
    assert client.get("/public").status_code == 200


def test_the_check_names_the_dag(app, signed_in, monkeypatch):
    asked = []

    class Manager(SimpleAuthManager):
        def is_authorized_dag(self, **question) -> bool:
            asked.append((question["method"], question["access_entity"], question["details"].id))
            return False

    monkeypatch.setattr("airflow.api_fastapi.core_api.security.get_auth_manager", Manager)
    signed_in(app, "admin")
    client = TestClient(app)
    assert client.get("/read").status_code == client.post("/write").status_code == 403
    assert [(method, entity and entity.value, dag) for method, entity, dag in asked] == [
        ("GET", None, "d"),
        ("POST", "RUN", "d"),
    ]


def test_a_refused_caller_does_not_learn_whether_the_input_is_valid(app):
    @app.post("/body", dependencies=[may_run("d")])
    def body(data: list[int]) -> None: ...

    assert TestClient(app).post("/body", json="nonsense").status_code == 401


def test_the_documentation_shows_how_to_log_in(app):
    spec = app.openapi()
    assert spec["paths"]["/read"]["get"]["security"]
    assert "security" not in spec["paths"]["/public"]["get"]
