"""ArrivalSensor: looks once, then defers; ends as every sensor does."""

import pytest
from airflow.sdk import DAG, Context
from airflow.sdk.exceptions import (
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferralError,
    TaskDeferralTimeout,
    TaskDeferred,
)

from include.core.storage import write_whole
from quartet.hooks.storage import StorageHook
from quartet.sensors.arrival import ArrivalError, ArrivalSensor
from quartet.triggers.arrival import ArrivedTrigger

CONTEXT = Context()
URL = "songs/day.tsv"


def sensor(url: str = URL, **arguments) -> ArrivalSensor:
    return ArrivalSensor(task_id="wait", url=url, poll_seconds=3, timeout=60, **arguments)


@pytest.mark.parametrize("storage", ["home", "s3_storage"])
@pytest.mark.parametrize("deferrable", [True, False])
def test_what_is_there_is_returned_at_once(request, storage, deferrable, capsys):
    request.getfixturevalue(storage)
    write_whole(StorageHook().path(URL), b"12345\n")
    found = sensor(deferrable=deferrable).execute(CONTEXT)
    assert (found["name"], found["size"]) == ("day.tsv", 6)
    assert f"Arrived: day.tsv, 6 bytes, fingerprint {found['fingerprint']}" in capsys.readouterr().out


def test_what_is_not_there_is_left_to_the_trigger(home, capsys):
    with pytest.raises(TaskDeferred) as deferred:
        sensor(settle_seconds=1, max_failures=4).execute(CONTEXT)
    trigger = ArrivedTrigger(URL, poll_seconds=3, settle_seconds=1, max_failures=4)
    assert deferred.value.trigger.serialize() == trigger.serialize()
    assert deferred.value.timeout
    assert deferred.value.timeout.total_seconds() == 60
    assert getattr(sensor(), deferred.value.method_name)
    log = capsys.readouterr().out
    assert "songs/day.tsv is not there yet, or not complete" in log
    assert "Waiting for at most 60 s, with a look every 3.0 s" in log


def test_half_a_file_is_waited_for(home):
    write_whole(StorageHook().path(URL), b"1")
    with pytest.raises(TaskDeferred):
        sensor(settle_seconds=60).execute(CONTEXT)
    assert sensor(settle_seconds=0).execute(CONTEXT)


def test_a_server_that_cannot_be_asked_is_left_to_the_trigger(capsys):
    with pytest.raises(TaskDeferred):
        sensor("http://127.0.0.1:9/day.tsv?key=secret").execute(CONTEXT)
    log = capsys.readouterr().out
    assert "http://127.0.0.1:9/day.tsv?…: the look failed, the trigger looks again: ConnectError" in log
    assert "secret" not in log


def test_an_address_that_can_never_be_found_fails_at_once():
    with pytest.raises(ValueError, match="http, https, s3 or file was expected"):
        sensor("ftp://host/day.tsv").execute(CONTEXT)


def test_the_event_is_the_result():
    found = {"name": "day.tsv", "size": 6, "fingerprint": "6-1.0"}
    assert sensor().resume_execution("resume", {"event": found}, CONTEXT) == found


ERROR = {"event": {"error": "https://host/day.tsv: 10 looks failed"}}
TIMEOUT = {"error": "Trigger timeout"}  # what Airflow resumes with


@pytest.mark.parametrize(
    ("arguments", "end"),
    [({}, ArrivalError), ({"soft_fail": True}, AirflowSkipException), ({"never_fail": True}, AirflowSkipException)],
)
def test_failed_looks_end_as_the_sensor_says(arguments, end):
    with pytest.raises(end):
        sensor(**arguments).resume_execution("resume", ERROR, CONTEXT)


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        ({}, AirflowSensorTimeout),
        ({"soft_fail": True}, AirflowSkipException),
        ({"never_fail": True}, AirflowSkipException),
    ],
)
def test_a_timeout_ends_as_the_sensor_says(arguments, end):
    with pytest.raises(end) as error:
        sensor(**arguments).resume_execution("__fail__", TIMEOUT, CONTEXT)
    assert isinstance(error.value.__cause__, TaskDeferralTimeout | AirflowSensorTimeout | TaskDeferralError)


def test_on_the_worker_a_timeout_ends_it_too(home):
    wait = ArrivalSensor(task_id="wait", url=URL, poll_seconds=0, timeout=0, deferrable=False)
    with pytest.raises(AirflowSensorTimeout):
        wait.execute(CONTEXT)


def test_the_address_is_a_template():
    with DAG("songs", schedule=None):
        wait = sensor("songs/{{ ds_nodash }}.tsv")
    wait.render_template_fields({"ds_nodash": "20190208"})  # pyright: ignore[reportArgumentType]
    assert wait.url == "songs/20190208.tsv"
