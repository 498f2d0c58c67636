"""Metrics and alerts of the real platform, with a stand-in for the collector and for whoever is notified."""

import time

import pytest

from tests.e2e.conftest import DEADLINE_MINUTES
from tests.support.collector import Collector
from tests.support.platform import Platform

pytestmark = pytest.mark.e2e

FAILING = {"training": 99}
"""Params of a run of `ratings_train` that fails at once: there is no such version."""
SELECTION = "/api/v2/dags/ratings_model_selection"


def start(platform: Platform, dag_id: str, **conf: object) -> str:
    """Start a run and return its name."""
    body = {"logical_date": None, "conf": conf}
    return platform.client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body).raise_for_status().json()["dag_run_id"]


def state(platform: Platform, dag_id: str, run: str) -> str:
    return platform.client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run}").raise_for_status().json()["state"]


def told(received: Collector, run: str) -> list[str]:
    """Return the title of each notification about a run."""
    return [message["title"] for message in received.messages if run in message["message"]]


@pytest.fixture
def paused(platform):
    """Pause the model selection, so that its runs stay in state `queued`; the DAG has none afterwards."""
    platform.client.patch(SELECTION, json={"is_paused": True}).raise_for_status()
    yield
    runs = platform.client.get(f"{SELECTION}/dagRuns", params={"state": "queued"}).raise_for_status().json()
    for run in runs["dag_runs"]:
        platform.client.delete(f"{SELECTION}/dagRuns/{run['dag_run_id']}").raise_for_status()
    platform.client.patch(SELECTION, json={"is_paused": False}).raise_for_status()


def test_what_a_task_and_airflow_itself_measure_arrives(platform, received):
    received.wait(lambda it: it.newest("airflow.ratings.champion_holdout_rmse"))  # the first model
    start(platform, "platform_metrics")
    waiting = received.wait(lambda it: it.newest("airflow.ratings.queue_files"))
    assert (waiting.kind, waiting.value) == ("gauge", 0)
    assert received.wait(lambda it: it.newest("airflow.ti.finish", dag_id="platform_metrics", state="success"))
    assert received.wait(lambda it: it.newest("airflow.scheduler_heartbeat"))


def test_a_failed_run_is_told_once_and_can_be_cleared(platform, received):
    run = start(platform, "ratings_train", **FAILING)
    received.wait(lambda _: told(received, run))
    [message] = [each for each in received.messages if run in each["message"]]
    assert message["title"] == "Quartet: ratings_train failed"
    assert f"Run {run}: a task failed (ingest)." in message["message"]
    time.sleep(5)
    assert len(told(received, run)) == 1  # for two tasks, of which one never started

    # its deadline is still to come: with Airflow's own reference this would be an error of the server
    url = f"/api/v2/dags/ratings_train/dagRuns/{run}/clear"
    assert platform.client.post(url, json={"dry_run": False}).status_code == 200
    received.wait(lambda _: len(told(received, run)) == 2)
    assert told(received, run) == ["Quartet: ratings_train failed"] * 2


def test_a_missed_deadline_is_told_and_one_of_a_run_that_had_failed_is_not(platform, received, paused):
    late = start(platform, "ratings_model_selection")
    failing = start(platform, "ratings_train", **FAILING)
    received.wait(lambda _: told(received, late))
    [message] = [each for each in received.messages if late in each["message"]]
    assert message["title"] == "Quartet: ratings_model_selection is late"
    assert f"Run {late} is queued; {DEADLINE_MINUTES} minutes were allowed." in message["message"]
    assert received.wait(lambda it: it.newest("airflow.alerts.deadline_missed", dag_id="ratings_model_selection"))
    assert state(platform, "ratings_train", failing) == "failed"
    assert told(received, failing) == ["Quartet: ratings_train failed"]  # both deadlines were due at the same time
    assert f"is not finished after {DEADLINE_MINUTES} minutes" in (platform.instance.logs / "triggerer.log").read_text()
