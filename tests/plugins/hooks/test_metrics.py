"""Metrics: sent to a collector, to none, and to a dead one."""

import logging
import os
import re
import socket
import subprocess
import sys

import pytest
from airflow.observability import stats as core_stats
from airflow.sdk.observability import stats

from deploy.embedded.environment import metrics as telemetry
from include.core.settings import ROOT
from include.workflows import metrics as all_metrics
from quartet.hooks import metrics

TASK = """
import atexit, os, socket, sys, time
from airflow.sdk.configuration import conf
from airflow.sdk.observability.metrics import stats_utils
from airflow.sdk.observability.stats import initialize

if "offline" in sys.argv:
    def refuse(*_): raise AssertionError("a connection was opened")
    socket.socket.connect = socket.getaddrinfo = refuse
if child := os.fork():
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
atexit._clear()
initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=conf.getboolean("metrics", "legacy_names_on"))

from quartet.hooks import metrics

metrics.send("ratings", {"queue_files": 3, "queue_age_seconds": 1.5})
metrics.send("article_recs", {"job_time": 12}, {"site": "wcp", "status": "success"})
began = time.monotonic()
atexit._run_exitfuncs()
print("ended after", time.monotonic() - began, flush=True)
os._exit(0)
"""
"""A task as Airflow runs it: a forked process that initialises metrics again and exports them when it ends."""


def run_task(home, variables, *arguments) -> float:
    """Return the seconds that the process took to end after the last line of its task."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW__", "OTEL_"))}
    environment |= {"AIRFLOW_HOME": str(home), "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}", **variables}
    command = [sys.executable, "-c", TASK, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return float(re.findall("ended after (.*)", done.stdout)[0])


def test_a_task_sends_its_metrics_before_its_process_ends(collector, home):
    run_task(home, telemetry(collector.url))
    found = {each.name: (each.kind, each.value, each.tags) for each in collector.points}
    assert found["airflow.ratings.queue_files"] == ("gauge", 3, {})
    assert found["airflow.ratings.queue_age_seconds"] == ("gauge", 1.5, {})
    assert found["airflow.article_recs.job_time"] == ("gauge", 12, {"site": "wcp", "status": "success"})


def test_without_a_collector_nothing_is_sent(home):
    run_task(home, {}, "offline")


@pytest.mark.parametrize("answers", ["refused", "silent"])
def test_a_dead_collector_neither_fails_nor_delays_a_task(home, answers):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if answers == "silent":
            server.listen()  # accepts connections, but never answers
        lived_on = run_task(home, telemetry(f"http://127.0.0.1:{server.getsockname()[1]}"))
    assert lived_on < 4  # two seconds for the collector, the rest for a busy machine; the default is ten


@pytest.fixture
def sent(monkeypatch):
    """Collect what is passed to Airflow: name, value, tags."""
    found = []
    for module, origin in ((stats, "task"), (core_stats, "callback")):
        take = lambda name, value, tags, origin=origin: found.append((origin, name, value, tags))  # noqa: E731
        monkeypatch.setattr(module.Stats, "gauge", take, raising=False)
    return found


def test_unknown_values_are_left_out(sent):
    metrics.send("ratings", {"queue_files": None, "table_rows": float("nan"), "queue_age_seconds": 0})
    assert sent == [("task", "ratings.queue_age_seconds", 0, {})]


def test_a_callback_uses_the_module_that_its_process_has_initialised(sent):
    metrics.send("article_recs", {"job_time": 3}, {"site": "wcp"}, in_callback=True)
    assert sent == [("callback", "article_recs.job_time", 3, {"site": "wcp"})]


def test_a_metric_that_cannot_be_measured_is_logged_and_skipped(sent, caplog):
    metrics.send("ratings", lambda: {"queue_files": 1 / 0})
    metrics.send("ratings", {"no_such_figure": 1})
    metrics.count("alerts", "deadline_missed", {"dag_id": object()})
    assert sent == []
    assert [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING] == [
        "Metrics of ratings were not sent"
    ] * 2


def test_every_registered_metric_is_sent():
    sources = [path for folder in ("dags", "include", "plugins") for path in (ROOT / folder).rglob("*.py")]
    text = "".join(path.read_text() for path in sources if path.name != "telemetry.py")
    assert [name for name in all_metrics() if f'"{name.partition(".")[2]}"' not in text] == []


def test_every_metric_of_an_articles_run_is_registered():
    text = (ROOT / "include/articles/pipeline.py").read_text()
    names = re.findall(r'measure\("(\w+)"', text) + re.findall(r'_done\(.*, "(\w+_time)"\)', text)
    assert len(names) >= 9
    assert [name for name in names if f"article_recs.{name}" not in all_metrics()] == []
