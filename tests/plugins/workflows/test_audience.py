"""From the context of an Airflow task to the steps of its labeling task."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.audience.results.state import TaskAbortedError
from include.audience.settings import AudienceSettings
from include.core.errors import BadDataError
from quartet.api.audience.service import AudienceService
from quartet.hooks.airflow_api import AirflowApiHook
from quartet.workflows import audience
from quartet.workflows.audience import audience_run


def context(run_id: str = "manual__1", **params) -> dict:
    run = SimpleNamespace(dag_id="audience_labeling", run_id=run_id, run_after=datetime(2026, 1, 1, tzinfo=UTC))
    return {"dag_run": run, "params": params}


def task_of(context: dict):
    with audience_run(context) as run:
        return run.task


def test_params_become_a_task(home):
    task = task_of(context(predict_type="author", start_time="2020-01-01", end_time="2020-01-02T00:00:00Z", queue=None))
    assert (task.predict_type, task.queue) == ("author", "queue1")
    assert (task.start_time, task.end_time) == (datetime(2020, 1, 1), datetime(2020, 1, 2, 8))


def test_without_an_id_the_run_gives_one_and_always_the_same(home):
    first, again, other = task_of(context()), task_of(context()), task_of(context("manual__2"))
    assert re.fullmatch("[0-9a-f]{32}", first.task_id)
    assert first == again
    assert first.task_id != other.task_id
    assert task_of(context(task_id="ab" * 16)).task_id == "ab" * 16


def test_what_a_task_pins_lies_in_the_platforms_storage(home):
    with audience_run(context(task_id="ab" * 16)) as run:
        assert str(run.folder) == f"file://{home}/data/audience/tasks/{'ab' * 16}"
        assert run.dag_run_id == "manual__1"


@pytest.mark.parametrize("wrong", [{"countdown": -1}, {"start_time": "soon"}, {"target_schema": "a`b"}])
def test_params_that_are_not_valid_are_bad_data(home, wrong):
    with pytest.raises(BadDataError, match=next(iter(wrong))):
        task_of(context(**wrong))


@pytest.mark.parametrize(
    "wrong",
    [{"countdown": -1}, {"start_time": "soon\0\ud800"}, {"target_schema": "a`b" * 99}, {"output_schema": "other"}],
)
def test_a_run_whose_params_are_refused_is_listed_once_as_failed(home, wrong):
    for _ in range(2):
        with pytest.raises(BadDataError, match=next(iter(wrong)).replace("_", ".")):
            task_of(context(**wrong))
    service = AudienceService(AudienceSettings.load())
    [row] = service.newest().content
    assert (row.stat, row.result) == ("FAILURE", "")
    assert next(iter(wrong)).replace("_", " ") in (row.error_message or "").replace("_", " ")
    assert service.status(row.task_id).detail == row.error_message


def test_an_aborted_task_is_skipped(home, monkeypatch):
    notes = []
    monkeypatch.setattr(AirflowApiHook, "note", lambda _, run, text: notes.append(text))
    with pytest.raises(AirflowSkipException, match="was aborted"), audience_run(context()):
        raise TaskAbortedError("task x was aborted")
    assert notes == ["task x was aborted"]


def test_passwords_are_masked_in_logs(home, monkeypatch):
    masked = []
    monkeypatch.setattr(audience, "mask_secret", masked.append)
    monkeypatch.setenv("INPUT_PASSWORD", "p@ss:1")
    monkeypatch.setenv("OUTPUT_PASSWORD", "p@ss:2")
    task_of(context())
    assert masked == ["p@ss:1", "p@ss:2"]


def test_a_list_of_schemas_becomes_requests_for_the_last_full_year(home):
    params = {"schemas": ["wh_a"], "start_time": None, "end_time": "", "request": {"countdown": 0}}
    [request] = audience.requests(context("r", **params))
    assert request == {
        "conf": {
            "countdown": 0, "start_time": "2025-01-01T00:00:00", "end_time": "2025-12-31T23:59:59",
            "target_schema": "wh_a",
        },
        "trigger_run_id": "r__wh_a",
    }  # fmt: skip
