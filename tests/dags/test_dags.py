"""Promises that every DAG keeps."""

import json
import re
import subprocess
import sys
from copy import deepcopy
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from include.workflows import WORKFLOWS
from quartet.alerts.deadline import RunCreated
from quartet.alerts.failure import run_failed

ROOT = Path(__file__).resolve().parents[2]
DAGS = sorted(
    [
        "article_recs__washington_city_paper" if name == "article_recs" else name
        for workflow in WORKFLOWS
        for name in workflow.dags
    ]
    + ["housekeeping", "platform_metrics"]
)
FILES = sorted(path.stem for path in (ROOT / "dags").glob("[!_]*.py"))
HEAVY = [
    "pandas", "numpy", "pyarrow", "pyspark", "mlflow", "surprise", "implicit", "duckdb", "deltalake", "matplotlib",
    "apprise",
]  # fmt: skip
LINES = 120
"""A DAG file reads as a table of contents."""


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(str(ROOT / "dags"))


def test_all_dags_are_found_and_none_fails(bag):
    assert bag.import_errors == {}
    assert sorted(bag.dags) == DAGS


def test_every_dag_has_its_workflow_as_a_tag(bag):
    names = {name: workflow.name for workflow in WORKFLOWS for name in workflow.dags}
    for dag_id, dag in bag.dags.items():
        assert dag.tags == {names.get(dag_id.partition("__")[0], "platform")}


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_dag_explains_itself(bag, dag_id):
    dag = bag.dags[dag_id]
    assert dag.doc_md.strip().startswith("# ")
    assert dag.tags
    for task in dag.tasks:
        assert f"`{task.task_id}`" in dag.doc_md, f"{task.task_id} is missing in the table of {dag_id}"


@pytest.mark.parametrize("dag_id", DAGS)
def test_the_example_conf_of_every_dag_is_one_that_a_run_takes(bag, dag_id):
    dag = bag.dags[dag_id]
    assert "Does not guard against" in dag.doc_md
    found = re.search(r"Try it.*?^```json$(.+?)^```$", dag.doc_md, re.DOTALL | re.MULTILINE)
    assert found, f"{dag_id} has no part `Try it` with a block ```json"
    conf, params = json.loads(found[1]), deepcopy(dag.params)
    assert conf.keys() <= params.keys()
    params.update(conf)
    params.validate()


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_task_is_bounded_and_retried(bag, dag_id):
    for task in bag.dags[dag_id].tasks:
        assert task.max_retry_delay == timedelta(minutes=10)
        waits = [
            min(task.retry_delay * task.retry_exponential_backoff**number, task.max_retry_delay)
            for number in range(task.retries)
        ]
        # Airflow waits up to twice as long, within the same maximum
        assert timedelta(minutes=20) <= sum(waits, timedelta()) < timedelta(minutes=30)
        assert waits[0] <= timedelta(seconds=30)
        assert task.execution_timeout
        assert task.retry_policy


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_dag_tells_when_it_is_late_and_when_it_fails(bag, dag_id):
    dag = bag.dags[dag_id]
    [alert] = dag.deadline
    assert type(alert.reference) is RunCreated
    assert alert.callback.path == "quartet.alerts.deadline.deadline_missed"
    assert alert.callback.kwargs == {"minutes": alert.interval.total_seconds() / 60}
    callbacks = dag.on_failure_callback
    assert run_failed in (callbacks if isinstance(callbacks, list) else [callbacks])


@pytest.mark.parametrize(
    ("dag_id", "hours"),
    [
        ("ratings_train", 2),
        ("audience_labeling", 12),
        ("audience_schemas", 7 * 24),
        ("article_recs__washington_city_paper", 110 / 60),
        ("song_plays", 48 + 2),  # it may wait for its files for two days
    ],
)
def test_a_deadline_leaves_the_time_that_a_workflow_needs(bag, dag_id, hours):
    assert bag.dags[dag_id].deadline[0].interval == timedelta(hours=hours)


def test_state_is_reported_by_the_clock_only_where_a_collector_is(bag, monkeypatch):
    assert bag.dags["platform_metrics"].schedule is None
    monkeypatch.setenv("QUARTET_OTEL_ENDPOINT", "http://127.0.0.1:4318")
    again = DagBag(str(ROOT / "dags" / "platform_metrics.py"))
    assert again.dags["platform_metrics"].schedule == "*/5 * * * *"


@pytest.mark.parametrize("path", sorted((ROOT / "dags").glob("*.py")), ids=lambda path: path.stem)
def test_a_dag_file_is_short(path):
    assert len(path.read_text().splitlines()) <= LINES


def test_bad_data_fail_at_once_and_anything_else_is_retried(bag):
    from airflow.sdk import RetryAction

    from include.core.errors import DamagedObjectError

    policy = bag.dags["ratings_train"].get_task("train").retry_policy
    assert policy.evaluate(DamagedObjectError("x"), 1, 2).action is RetryAction.FAIL
    assert policy.evaluate(ValueError("x"), 1, 2).action is not RetryAction.FAIL


def test_parsing_loads_nothing_heavy_and_asks_nobody(tmp_path):
    code = f"""
import json, sys
import airflow.sdk
before = set(sys.modules)
import socket
def refuse(*_, **__): raise AssertionError("the network is asked while parsing")
socket.socket.connect = refuse
for name in {FILES!r}:
    __import__(f"dags.{{name}}")
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}", "PATH": "", "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
