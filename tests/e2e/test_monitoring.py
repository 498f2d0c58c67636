"""Metrics and alerts of the real platform, with a stand-in for the collector and for whoever is told."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import DEADLINE_MINUTES
from tests.support.collector import Collector
from tests.support.platform import Platform, wait_for

pytestmark = pytest.mark.e2e

FAILING = {"training": 99}
"""Params of a run of `ratings_train` that fails at once: there is no such version."""


def start(platform: Platform, dag_id: str, **conf: object) -> str:
    """Start a run and give its name; Airflow on SQLite may be too busy for a moment, and is asked again."""
    body = {"dag_run_id": f"test__{uuid.uuid4().hex}", "logical_date": None, "conf": conf}

    def started() -> bool:
        return platform.client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body).status_code in (200, 409)

    wait_for(f"{dag_id} is started", started)
    return body["dag_run_id"]


def state(platform: Platform, dag_id: str, run: str) -> str:
    return platform.client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run}").raise_for_status().json()["state"]


def told(collector: Collector, run: str) -> list[str]:
    """Return the titles of the notifications about a run, in their order."""
    return [message["title"] for message in collector.messages if run in message["message"]]


@dataclass(frozen=True)
class Late:
    """Two runs whose deadline comes while other tests go on."""

    queued: str
    """One that does not start: its DAG is paused."""
    failed: str


@pytest.fixture(scope="module")
def late(killable: Platform) -> Iterator[Late]:
    url = "/api/v2/dags/ratings_model_selection"

    def pause(is_paused: bool) -> bool:
        return killable.client.patch(url, json={"is_paused": is_paused}).is_success

    wait_for("its DAG is paused", lambda: pause(True))
    yield Late(start(killable, "ratings_model_selection"), start(killable, "ratings_train", **FAILING))
    wait_for("its DAG goes on", lambda: pause(False))


def test_what_a_task_and_airflow_itself_measure_arrives_and_a_failed_run_is_told_once_and_can_be_cleared(
    killable, late
):
    collector, before = killable.collector, len(killable.collector.messages)
    collector.wait(lambda it: it.newest("airflow.ratings.champion_holdout_rmse"))  # the first model
    start(killable, "platform_metrics")
    waiting = collector.wait(lambda it: it.newest("airflow.ratings.queue_files"))
    assert (waiting.kind, waiting.value) == ("gauge", 0)
    assert collector.wait(lambda it: it.newest("airflow.ti.finish", dag_id="platform_metrics", state="success"))
    assert collector.wait(lambda it: it.newest("airflow.scheduler_heartbeat"))

    run = start(killable, "ratings_train", **FAILING)
    collector.wait(lambda it: told(it, run))
    [message] = [each for each in collector.messages if run in each["message"]]
    assert message["title"] == "Quartet: ratings_train failed"
    assert f"Run {run}: a task failed (ingest)." in message["message"]
    time.sleep(5)
    assert len(told(collector, run)) == 1  # for two tasks, of which one never started

    # its deadline is still to come: with Airflow's own reference this would be an error of the server
    url = f"/api/v2/dags/ratings_train/dagRuns/{run}/clear"
    assert killable.client.post(url, json={"dry_run": False}).status_code == 200
    collector.wait(lambda it: len(told(it, run)) == 2)
    assert told(collector, run) == ["Quartet: ratings_train failed"] * 2
    others = [each for each in collector.messages[before:] if run not in each["message"]]
    assert [each for each in others if "failed" in each["title"] and late.failed not in each["message"]] == []


def test_a_missed_deadline_is_told_and_one_of_a_run_that_had_failed_is_not(killable, late):
    collector = killable.collector
    collector.wait(lambda it: told(it, late.queued))
    [message] = [each for each in collector.messages if late.queued in each["message"]]
    assert message["title"] == "Quartet: ratings_model_selection is late"
    assert f"Run {late.queued} is queued; {DEADLINE_MINUTES} minutes were allowed." in message["message"]
    assert collector.wait(lambda it: it.newest("airflow.alerts.deadline_missed", dag_id="ratings_model_selection"))
    assert state(killable, "ratings_train", late.failed) == "failed"
    # both deadlines were due at the same time
    assert told(collector, late.failed) == ["Quartet: ratings_train failed"]
    log = (killable.instance.logs / "triggerer.log").read_text()
    assert f"is not finished after {DEADLINE_MINUTES} minutes" in log
