"""A failed run."""

from types import SimpleNamespace

import pytest

from quartet.alerts import failure


@pytest.fixture
def told(monkeypatch):
    found = []
    monkeypatch.setattr(failure, "notify", lambda *message: found.append(message))
    return found


def test_people_are_notified_what_failed_where_and_why(told, caplog):
    task, dag = SimpleNamespace(task_id="train"), SimpleNamespace(dag_id="ratings_train")
    failure.run_failed({"dag": dag, "run_id": "r1", "reason": "task_failure", "task_instance": task})
    [(title, text)] = told
    assert title == "Quartet: ratings_train failed"
    assert text.startswith("Run r1: a task failed (train).\n")
    assert text.endswith("/dags/ratings_train/runs/r1")
    assert "Run r1 of ratings_train failed: a task failed (train)" in caplog.text


@pytest.mark.parametrize(
    ("reason", "words"),
    [("timed_out", "it took longer than allowed"), ("something new", "something new"), ("", "no reason is known")],
)
def test_a_run_may_fail_without_a_task(told, reason, words):
    failure.run_failed({"dag": SimpleNamespace(dag_id="d"), "run_id": "r1", "reason": reason})
    assert told[0][1].startswith(f"Run r1: {words}.")
