"""Metrics and alerts of the real platform, with a stand-in for the collector and for whoever is told."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.collector import Collector
from tests.support.platform import Platform

pytestmark = pytest.mark.e2e

FAILING = {"training": 99}
"""Params of a run of `ratings_train` that fails at once: there is no such version."""


@contextmanager
def watched(collector: Collector, **variables: str) -> Iterator[Platform]:
    """Give a platform that sends metrics and tells of trouble."""
    platform, variables = Platform(), {"QUARTET_OTEL_ENDPOINT": collector.url, **variables}
    told, done = collector.url.replace("http", "json") + "/notify", False
    try:
        platform.run("up", QUARTET_NOTIFY_URL=told, **variables)
        yield platform
        done = True
    finally:
        platform.remove(keep=not done)


def start(platform: Platform, dag_id: str, **conf: object) -> str:
    """Start a run and return its name."""
    body = {"logical_date": None, "conf": conf}
    return platform.client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body).raise_for_status().json()["dag_run_id"]


def state(platform: Platform, dag_id: str, run: str) -> str:
    return platform.client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run}").raise_for_status().json()["state"]


def titles(collector: Collector) -> list[str]:
    return [message["title"] for message in collector.messages]


def test_what_a_task_and_airflow_itself_measure_arrives_and_a_failed_run_is_told_once_and_can_be_cleared(collector):
    with watched(collector) as platform:
        collector.wait(lambda it: it.newest("airflow.ratings.champion_holdout_rmse"))  # the first model
        start(platform, "platform_metrics")
        waiting = collector.wait(lambda it: it.newest("airflow.ratings.queue_files"))
        assert (waiting.kind, waiting.value) == ("gauge", 0)
        assert collector.wait(lambda it: it.newest("airflow.ti.finish", dag_id="platform_metrics", state="success"))
        assert collector.wait(lambda it: it.newest("airflow.scheduler_heartbeat"))

        run = start(platform, "ratings_train", **FAILING)
        [message] = collector.wait(lambda it: it.messages)
        assert message["title"] == "Quartet: ratings_train failed"
        assert f"Run {run}: a task failed (ingest)." in message["message"]
        time.sleep(5)
        assert len(collector.messages) == 1  # for two tasks, of which one never started

        # its deadline is still to come: with Airflow's own reference this would be an error of the server
        url = f"/api/v2/dags/ratings_train/dagRuns/{run}/clear"
        assert platform.client.post(url, json={"dry_run": False}).status_code == 200
        collector.wait(lambda it: len(it.messages) == 2)
        assert titles(collector) == ["Quartet: ratings_train failed"] * 2


def test_a_missed_deadline_is_told_and_one_of_a_run_that_had_failed_is_not(collector):
    with watched(collector, QUARTET_DEADLINE_MINUTES="0.5") as platform:
        # the run in state `queued` for as long as we like: its DAG is paused
        pause = {"is_paused": True}
        url = "/api/v2/dags/ratings_model_selection"
        platform.client.patch(url, json=pause).raise_for_status()
        late = start(platform, "ratings_model_selection")
        failing = start(platform, "ratings_train", **FAILING)
        collector.wait(lambda it: "Quartet: ratings_model_selection is late" in titles(it))
        told = next(each for each in collector.messages if each["title"].endswith("selection is late"))
        assert f"Run {late} is queued; 0.5 minutes were allowed." in told["message"]
        assert collector.wait(lambda it: it.newest("airflow.alerts.deadline_missed", dag_id="ratings_model_selection"))
        assert state(platform, "ratings_train", failing) == "failed"
        # both deadlines were due at the same time
        told_of_failed = [each["title"] for each in collector.messages if failing in each["message"]]
        assert told_of_failed == ["Quartet: ratings_train failed"]
        assert "is not finished after 0.5 minutes" in (platform.instance.logs / "triggerer.log").read_text()
