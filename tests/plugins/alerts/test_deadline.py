"""A run that is late."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from airflow.serialization.decoders import decode_deadline_alert
from airflow.serialization.encoders import encode_deadline_alert

from dags.common import deadline
from quartet.alerts import deadline as module
from quartet.alerts.deadline import deadline_missed
from quartet_plugin import QuartetPlugin


@pytest.fixture
def told(monkeypatch):
    found = []
    monkeypatch.setattr(module, "notify", lambda *message: found.append(message) or True)
    return found


@pytest.fixture
def counted(monkeypatch):
    found = []
    monkeypatch.setattr(module.metrics, "count", lambda *given, **_: found.append(given))
    return found


def miss(state="running", run_type="scheduled"):
    run = {"dag_id": "ratings_train", "dag_run_id": "r1", "state": state, "run_type": run_type}
    return asyncio.run(deadline_missed(minutes=120.0, context={"dag_run": run, "deadline": {}}))


@pytest.mark.parametrize("state", ["running", "queued"])
def test_a_late_run_is_logged_counted_and_notified(told, counted, caplog, state):
    assert miss(state) == "notified"
    assert counted == [("alerts", "deadline_missed", {"dag_id": "ratings_train"})]
    [(title, text)] = told
    assert title == "Quartet: ratings_train is late"
    assert text.startswith(f"Run r1 is {state}; 120 minutes were allowed.\n")
    assert f"Run r1 of ratings_train is not finished after 120 minutes: it is {state}" in caplog.text


def test_without_anybody_to_notify_it_is_logged(counted, monkeypatch):
    monkeypatch.delenv("QUARTET_NOTIFY_URL", raising=False)
    assert miss() == "logged"
    assert len(counted) == 1


@pytest.mark.parametrize(("state", "run_type"), [("failed", "manual"), ("success", "manual"), ("queued", "backfill")])
def test_nobody_is_notified_of_an_ended_run_or_a_backfill(told, counted, state, run_type):
    assert miss(state, run_type).startswith("not notified")
    assert (told, counted) == ([], [])


def test_airflow_can_restore_a_stored_deadline(monkeypatch):
    from airflow import plugins_manager

    registered = {f"{each.__module__}.{each.__name__}": each for each in QuartetPlugin().deadline_references}
    monkeypatch.setattr(plugins_manager, "get_deadline_references_plugins", lambda: registered)
    before = datetime.now(UTC)
    kept = decode_deadline_alert(encode_deadline_alert(deadline(90)))
    assert kept.interval == timedelta(minutes=90)
    assert kept.callback.path == "quartet.alerts.deadline.deadline_missed"
    assert kept.callback.kwargs == {"minutes": 90}
    due = kept.reference.evaluate_with(session=None, interval=kept.interval, dag_id="d", run_id="r")
    assert before + kept.interval <= due <= datetime.now(UTC) + kept.interval
