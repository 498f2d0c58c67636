"""SourceSensor and DownloadSensor: what they wait for, what they fetch, how the wait ends."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from airflow.sdk import DAG, Context
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException, TaskDeferred

from include.core.errors import BadDataError, SettingsError
from include.core.lease import Lease
from include.songs import downloads, layout
from include.songs.schemas import NotParquetError
from quartet.hooks import sources
from quartet.hooks.sources import SourceHook
from quartet.sensors.source import DownloadSensor, SourceSensor
from tests.include.songs.web import Web, parquet, serving, status

CONTEXT = Context()
DAY = date(2019, 2, 8)
PATH = "/share/spins-2019-02-08.snappy.parquet"
DATA = parquet()
TIMEOUT = {"error": "Trigger timeout"}  # what Airflow resumes with
EVENT = {"event": {"name": "spins-2019-02-08.snappy.parquet", "size": len(DATA), "fingerprint": "1"}}


@pytest.fixture
def web(home, monkeypatch) -> Iterator[Web]:
    """Serve both sources; nothing is there yet."""
    with serving() as web:
        monkeypatch.setenv("SONGS_SPINS_BASE", f"{web.url}/share")
        monkeypatch.setenv("SONGS_LISTENERS_BASE", f"{web.url}/share/")
        monkeypatch.setenv("SONGS_QUERY_SUFFIX", "?token=secret")
        monkeypatch.setattr(sources, "HTTP_TIMEOUT_SECONDS", 0.3)
        monkeypatch.setattr(downloads, "MAX_WAIT_SECONDS", 0)
        yield web


def sensor(kind=SourceSensor, source="spins", day="2019-02-08", **arguments):
    return kind(task_id="wait", source=source, day=day, poll_seconds=3, timeout=7200, **arguments)


def deferral(task, context=CONTEXT) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    return deferred.value


@pytest.mark.parametrize("source", ["spins", "listeners"])
def test_what_is_there_is_returned_at_once(web, source, capsys):
    web.files[PATH] = web.files["/share/listeners.snappy.parquet"] = DATA
    assert sensor(source=source).execute(CONTEXT)["size"] == len(DATA)
    assert [method for method, _ in web.requests] == ["HEAD"]
    assert "secret" in web.requests[0][1]
    assert "secret" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "reason"), [(404, "404 Not Found"), (403, "403 Forbidden"), (503, "503 Service Unavailable")]
)
def test_what_is_not_there_is_left_to_the_trigger(web, capsys, caplog, code, reason):
    web.always["HEAD", PATH] = web.always["GET", PATH] = status(code)
    deferred = deferral(sensor(settle_seconds=1))
    path, arguments = deferred.trigger.serialize()
    assert path == "quartet.triggers.source.SourceTrigger"
    assert arguments == {
        "source": "spins",
        "day": "2019-02-08",
        "base": "",
        "rest_seconds": 0,
        "poll_seconds": 3,
        "settle_seconds": 1,
        "max_failures": 10,
    }
    assert deferred.timeout == timedelta(seconds=7200)
    log = capsys.readouterr().out + caplog.text
    assert f"Not ready: {web.url}{PATH}: {reason}" in log
    assert "secret" not in log


@pytest.mark.parametrize("code", [400, 401])
def test_what_is_refused_fails_at_once(web, code):
    web.always["HEAD", PATH] = web.always["GET", PATH] = status(code)
    with pytest.raises(BadDataError, match=f"{PATH}: {code}"):
        sensor().execute(CONTEXT)


@pytest.mark.parametrize("kind", [SourceSensor, DownloadSensor])
def test_what_is_not_configured_is_named(home, monkeypatch, kind):
    monkeypatch.delenv("SONGS_SPINS_BASE", raising=False)
    with pytest.raises(SettingsError, match="SONGS_SPINS_BASE is not set"):
        sensor(kind).execute(CONTEXT)


@pytest.mark.parametrize("day", ["20190208", "", "2019-02-30"])
def test_a_wrong_day_fails_at_once(web, day):
    with pytest.raises(BadDataError, match="a day as 2019-02-08 was expected"):
        sensor(day=day).execute(CONTEXT)


@pytest.mark.parametrize("kind", [SourceSensor, DownloadSensor])
@pytest.mark.parametrize("source", ["spins", "listeners"])
def test_for_a_complete_day_nobody_is_asked(web, kind, source):
    web.files[PATH] = web.files["/share/listeners.snappy.parquet"] = DATA
    SourceHook().download(source, DAY)
    web.requests.clear()
    with pytest.raises(AirflowSkipException, match=f"The {source} of 2019-02-08 were fetched before"):
        sensor(kind, source).execute(CONTEXT)
    assert web.requests == []


def test_a_local_file_has_to_settle(home, monkeypatch):
    (home / "share").mkdir()
    monkeypatch.setenv("SONGS_SPINS_BASE", f"file://{home}/share")
    (home / "share" / "spins-2019-02-08.snappy.parquet").write_bytes(DATA)
    wait = sensor(settle_seconds=60)
    deferral(wait)
    assert wait.reason.endswith("it may not be complete yet")
    assert sensor(settle_seconds=0).execute(CONTEXT)["size"] == len(DATA)


def test_a_source_in_s3(s3_storage, monkeypatch):
    from include.core.storage import write_whole
    from quartet.hooks.storage import StorageHook

    monkeypatch.setenv("SONGS_SPINS_BASE", f"{s3_storage}/elsewhere")
    deferral(sensor())
    write_whole(StorageHook().path("elsewhere/spins-2019-02-08.snappy.parquet"), DATA)
    assert sensor().execute(CONTEXT)["size"] == len(DATA)
    assert sensor(DownloadSensor, holder="run").execute(CONTEXT)["size"] == len(DATA)
    assert layout.has_spins(StorageHook().path("songs"), DAY)


def test_the_deadline_names_address_and_last_reason(web):
    web.always["HEAD", PATH] = status(503)
    with pytest.raises(AirflowSensorTimeout) as error:
        sensor().resume_execution("__fail__", TIMEOUT, CONTEXT)
    address = f"{web.url}{PATH}"
    expected = f"{address} did not come within 2 hours; at last: {address}: 503 Service Unavailable"
    assert str(error.value) == expected


@pytest.mark.parametrize("arguments", [{"soft_fail": True}, {"never_fail": True}])
def test_the_deadline_may_be_no_failure(web, arguments):
    with pytest.raises(AirflowSkipException):
        sensor(**arguments).resume_execution("__fail__", TIMEOUT, CONTEXT)


@pytest.mark.parametrize("kind", [SourceSensor, DownloadSensor])
def test_what_is_there_at_the_deadline_is_taken(web, kind):
    web.files[PATH] = DATA
    assert sensor(kind).resume_execution("__fail__", TIMEOUT, CONTEXT)["size"] == len(DATA)


def test_a_refusal_of_the_trigger_fails(web):
    with pytest.raises(BadDataError, match="no entry"):
        sensor().resume_execution("resume", {"event": {"refused": "no entry"}, "deadline": 1}, CONTEXT)


def test_the_day_and_the_run_are_templates(web):
    with DAG("songs", schedule=None):
        fetch = sensor(DownloadSensor, day="{{ params.day }}")
    fetch.render_template_fields({"params": {"day": "2019-02-08"}, "run_id": "manual"})  # pyright: ignore[reportArgumentType]
    assert (fetch.day, fetch.holder) == ("2019-02-08", "manual")


def test_a_download_is_fetched_under_the_lease(web, monkeypatch):
    web.files[PATH] = DATA
    version = sensor(DownloadSensor, holder="run").execute(CONTEXT)
    assert version["size"] == len(DATA)
    assert version["source"] == f"{web.url}{PATH}"
    assert layout.has_spins(SourceHook().root, DAY)
    with pytest.raises(Exception, match="is held by run"):
        SourceHook().lease(DAY, "other").acquire()
    SourceHook().lease(DAY, "run").acquire()


def resume(task, deadline: float):
    return task.resume_execution("resume", EVENT | {"deadline": deadline}, CONTEXT)


def test_a_file_that_is_gone_again_is_waited_for_again_till_the_same_deadline(web):
    deadline = time.time() + 100
    with pytest.raises(TaskDeferred) as deferred:
        resume(sensor(DownloadSensor, holder="run"), deadline)
    assert deferred.value.kwargs
    assert deferred.value.kwargs["deadline"] == pytest.approx(deadline, abs=1)
    assert deferred.value.trigger.serialize()[1]["rest_seconds"] == 3
    assert [method for method, _ in web.requests] == ["GET"]


def test_trouble_that_lasts_is_waited_out(web):
    web.always["GET", PATH] = status(503)
    with pytest.raises(TaskDeferred):
        resume(sensor(DownloadSensor, holder="run"), time.time() + 100)
    assert [method for method, _ in web.requests] == ["GET"] * downloads.ATTEMPTS


def test_a_file_that_never_can_be_read_ends_at_the_deadline(web):
    web.files[PATH] = DATA
    web.always["GET", PATH] = status(503)
    expected = rf"{PATH} did not come within 2 hours; at last: .*{PATH}: 503"
    with pytest.raises(AirflowSensorTimeout, match=expected):
        resume(sensor(DownloadSensor, holder="run"), time.time() - 1)
    assert len(web.requests) == downloads.ATTEMPTS
    with pytest.raises(AirflowSensorTimeout, match=expected):
        sensor(DownloadSensor, holder="run").resume_execution("__fail__", TIMEOUT, CONTEXT)


def test_a_file_that_is_not_parquet_fails(web):
    web.files[PATH] = b"<html>"
    with pytest.raises(NotParquetError):
        resume(sensor(DownloadSensor, holder="run"), time.time() + 100)


def test_another_run_of_the_same_day_is_waited_for_and_its_file_taken(web):
    web.files[PATH] = DATA
    lease = Lease(layout.lease_file(SourceHook().root, DAY), "other", 60, lambda: datetime.now(UTC))
    lease.acquire()
    task = sensor(DownloadSensor, holder="run")
    with pytest.raises(TaskDeferred):
        resume(task, time.time() + 100)
    assert "is held by other" in task.reason
    assert not layout.has_spins(SourceHook().root, DAY)
    SourceHook().download("spins", DAY)
    lease.release()
    assert resume(task, time.time() + 100) is None
