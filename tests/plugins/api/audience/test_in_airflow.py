"""Behind Airflow's own app."""

import pytest
from sqlalchemy import update

from include.audience.results import tables
from include.audience.settings import AudienceSettings
from include.core.database.engine import open_engine
from quartet.api.audience import routes
from tests.support.api_client import Client
from tests.support.audience_api import add, rows_of


@pytest.fixture
def airflow(airflow: Client) -> Client:
    airflow.cookies.clear()
    return airflow


def test_a_task_becomes_a_run_and_an_abort_ends_it(airflow):
    admin = airflow.as_user("admin")
    answer = airflow.post("/audience/api/tasks/", json={"countdown": 7}, headers=admin).json()
    assert answer["error_code"] == 200
    task_id = answer["error_message"]["task_id"]
    url = f"/api/v2/dags/audience_labeling/dagRuns/api__{task_id}"
    run = airflow.get(url, headers=admin).json()
    assert (run["conf"]["task_id"], run["conf"]["countdown"]) == (task_id, 7)
    assert run["triggering_user_name"] == "admin"

    settings = AudienceSettings.load()
    with open_engine(settings.result_url(settings.output_schema)) as engine, engine.begin() as connection:
        connection.execute(
            update(tables.STATE).where(tables.STATE.c.task_id == task_id).values(stat="SUCCESS", result="fbfans")
        )
    viewer = airflow.as_user("viewer")
    assert airflow.post(f"/audience/api/tasks/{task_id}/abort", headers=viewer).status_code == 403
    assert airflow.get(f"/audience/api/tasks/{task_id}", headers=viewer).json()["status"] == "SUCCESS"
    answer = airflow.post(f"/audience/api/tasks/{task_id}/abort", headers=admin).json()
    assert (answer["error_message"], answer["status"]) == ("OK", "BREAK")
    assert airflow.get(url, headers=admin).json()["state"] == "failed"


def test_a_dag_that_airflow_does_not_know_is_500_and_a_failure(airflow, monkeypatch):
    monkeypatch.setattr(routes, "DAG", "no_such_dag")
    admin = airflow.as_user("admin")
    answer = airflow.post("/audience/api/tasks", json={}, headers=admin).json()
    assert answer["error_code"] == 500
    assert "no_such_dag" in answer["error_message"]
    newest = airflow.get("/audience/api/tasks", headers=admin).json()["content"][0]
    assert (newest["stat"], newest["error_message"]) == ("FAILURE", answer["error_message"])


def test_a_task_that_airflow_has_no_run_of_is_closed_by_the_next_list(airflow):
    settings = AudienceSettings.load()
    viewer = airflow.as_user("viewer")
    airflow.post("/audience/api/tasks/", json={}, headers=airflow.as_user("admin"))
    with open_engine(settings.result_url(settings.output_schema)) as engine:
        started = [row.task_id for row in rows_of(engine) if row.stat == "PENDING"]
        lost = add(engine)
        with engine.begin() as connection:
            connection.execute(update(tables.STATE).values(inserted=0))
    airflow.get("/audience/api/tasks/", headers=viewer)
    with open_engine(settings.result_url(settings.output_schema)) as engine:
        stats = {row.task_id: row.stat for row in rows_of(engine)}
    assert stats[lost] == "FAILURE"
    assert started
    assert all(stats[task_id] == "PENDING" for task_id in started)
