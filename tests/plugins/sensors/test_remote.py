"""RemoteSensor: what it waits for, what it takes, how the wait ends; most of it with the downloads of song plays."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from airflow.sdk import DAG, Context
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException, TaskDeferred

from include.core.errors import BadDataError
from include.core.lease import Lease, LeaseHeldError
from include.core.remote.web import LOOK_SECONDS
from include.core.storage import write_whole
from include.songs import layout
from include.songs.downloads import download
from include.songs.schemas import NotParquetError
from include.songs.workflow import WORKFLOW
from quartet.hooks import remote as hook
from quartet.hooks.storage import StorageHook
from quartet.sensors.download import DownloadSensor
from quartet.sensors.remote import RemoteError, RemoteSensor
from quartet.triggers.remote import RemoteTrigger
from quartet.workflows.songs import Download
from tests.support.web import Web, content, parquet, serving, status

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
        monkeypatch.setattr(hook, "HTTP_TIMEOUT_SECONDS", 0.3)
        monkeypatch.setattr(download, "MAX_WAIT_SECONDS", 0)
        yield web


def root():
    return StorageHook().path("songs")


def sensor(name="spins", day="2019-02-08", run_id="run", **arguments) -> DownloadSensor:
    """Return the sensor of a download, its templates rendered."""
    task = make(DownloadSensor, name=name, day=day, **arguments)
    task.arguments["run_id"] = run_id
    return task


def url_sensor(url="songs/day.tsv", **arguments) -> RemoteSensor:
    """Return a sensor that takes nothing."""
    return make(RemoteSensor, awaited="tests.support.remote.Url", arguments={"url": url}, **arguments)


def make(kind, **arguments):
    return kind(**({"task_id": "wait", "poll_seconds": 3, "timeout": 7200} | arguments))


def played(task: RemoteSensor):
    """Run a task to its end: in a worker, in the triggerer until the first event, and in a worker again."""

    async def event(trigger) -> dict:
        async for each in trigger.run():
            return each.payload
        raise AssertionError("no event")

    try:
        return task.execute(CONTEXT)
    except TaskDeferred as deferred:
        arguments = deferred.trigger.serialize()[1] | {"rest_seconds": 0}
        kwargs = (deferred.kwargs or {}) | {"event": asyncio.run(event(RemoteTrigger(**arguments)))}
        return task.resume_execution(deferred.method_name, kwargs, CONTEXT)


def not_ready(task: RemoteSensor, caplog) -> str:
    """Look once; return the log."""

    async def look() -> None:
        trigger = RemoteTrigger(task.awaited, task.arguments, poll_seconds=60, max_failures=task.max_failures)
        waiting = asyncio.create_task(anext(trigger.run()))  # pyright: ignore[reportArgumentType]
        while not caplog.text:
            await asyncio.sleep(0.01)
            assert not waiting.done()
        waiting.cancel()

    asyncio.run(look())
    return caplog.text


@pytest.mark.parametrize("storage", ["home", "s3_storage"])
def test_what_is_there_is_taken(request, storage, capsys):
    request.getfixturevalue(storage)
    write_whole(StorageHook().path("songs/day.tsv"), b"12345\n")
    assert str(played(url_sensor())) == "took songs/day.tsv"
    assert "Arrived: day.tsv, 6 bytes, fingerprint 6-" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["spins", "listeners"])
def test_what_is_there_is_downloaded_at_once(web, name, capsys):
    web.files[PATH] = web.files["/share/listeners.snappy.parquet"] = DATA
    assert played(sensor(name))["size"] == len(DATA)
    assert [method for method, _ in web.requests] == ["HEAD", "GET"]
    assert "secret" in web.requests[0][1]
    assert "secret" not in capsys.readouterr().out


def test_a_file_that_is_there_is_taken_at_once(web):
    web.files[PATH] = DATA
    assert sensor().execute(CONTEXT)
    assert [method for method, _ in web.requests] == ["HEAD", "GET"]


def test_one_that_is_not_there_is_left_to_the_triggerer_for_long_enough_to_be_resumed(web, capsys):
    with pytest.raises(TaskDeferred) as deferred:
        sensor(execution_timeout=timedelta(hours=1)).execute(CONTEXT)
    assert deferred.value.timeout
    assert deferred.value.timeout.total_seconds() == pytest.approx(7200, abs=5)
    assert deferred.value.trigger.serialize()[1]["rest_seconds"] == 10
    assert "with a look every 3.0 s" in capsys.readouterr().out


def test_a_server_that_does_not_answer_holds_few_workers_and_not_for_long():
    task = sensor(execution_timeout=timedelta(hours=1))
    assert task.pool in WORKFLOW.pools
    assert WORKFLOW.pools[task.pool].slots == 2
    assert LOOK_SECONDS <= 15
    assert task.execution_timeout == timedelta(hours=3)


@pytest.mark.parametrize(
    ("code", "reason"), [(404, "404 Not Found"), (403, "403 Forbidden"), (503, "503 Service Unavailable")]
)
def test_what_is_not_there_is_waited_for(web, caplog, code, reason):
    caplog.set_level("INFO")
    web.always["HEAD", PATH] = web.always["GET", PATH] = status(code)
    log = not_ready(sensor(), caplog)
    assert f"{web.url}{PATH}: {reason}" in log
    assert "secret" not in log


def test_downloads_have_a_pool_of_their_own():
    assert sensor().pool in WORKFLOW.pools


@pytest.mark.parametrize("code", [400, 401])
def test_what_is_refused_fails_at_the_first_look(web, code):
    web.always["HEAD", PATH] = web.always["GET", PATH] = status(code)
    with pytest.raises(BadDataError, match=f"{PATH}: {code}"):
        played(sensor())


def test_what_is_not_configured_is_named(home, monkeypatch):
    monkeypatch.delenv("SONGS_SPINS_BASE", raising=False)
    with pytest.raises(BadDataError, match="SONGS_SPINS_BASE is not set"):
        played(sensor())


@pytest.mark.parametrize("day", ["20190208", "", "2019-02-30"])
def test_a_wrong_day_fails_at_once(web, day):
    with pytest.raises(BadDataError, match=r"such as .*2019-02-08"):
        played(sensor(day=day))


def test_an_address_that_can_never_be_found_fails_at_once():
    with pytest.raises(ValueError, match="http, https, s3 or file was expected"):
        played(url_sensor("ftp://host/day.tsv"))


@pytest.mark.parametrize("name", ["spins", "listeners"])
def test_for_a_complete_day_nobody_is_asked(web, name):
    web.files[PATH] = web.files["/share/listeners.snappy.parquet"] = DATA
    played(sensor(name))
    web.requests.clear()
    with pytest.raises(AirflowSkipException, match=f"the {name} of 2019-02-08 were downloaded before"):
        played(sensor(name))
    assert web.requests == []


def test_a_local_file_has_to_settle(home, monkeypatch, caplog):
    caplog.set_level("INFO")
    (home / "share").mkdir()
    monkeypatch.setenv("SONGS_SPINS_BASE", f"file://{home}/share")
    (home / "share" / "spins-2019-02-08.snappy.parquet").write_bytes(DATA)
    assert "it may not be complete yet" in not_ready(sensor(settle_seconds=60), caplog)
    assert played(sensor(settle_seconds=0))["size"] == len(DATA)


def test_a_source_in_s3(s3_storage, monkeypatch):
    monkeypatch.setenv("SONGS_SPINS_BASE", f"{s3_storage}/elsewhere")
    write_whole(StorageHook().path("elsewhere/spins-2019-02-08.snappy.parquet"), DATA)
    assert played(sensor())["size"] == len(DATA)
    assert layout.has_spins(root(), DAY)


def test_another_base_replaces_that_of_the_settings(web):
    web.files["/other/spins-2019-02-08.snappy.parquet"] = DATA
    assert played(sensor(base=f"{web.url}/other"))["source"] == f"{web.url}/other/spins-2019-02-08.snappy.parquet"


@pytest.mark.parametrize(("folder", "sent"), [("share", True), ("share/", True), ("other", False)])
def test_the_secret_query_is_sent_below_the_folder_of_the_settings_alone(web, folder, sent):
    for name in ("share", "other"):
        web.files[f"/{name}/spins-2019-02-08.snappy.parquet"] = DATA
    played(sensor(base=f"{web.url}/{folder}"))
    assert {"secret" in path for _, path in web.requests} == {sent}


@pytest.mark.parametrize("base", ["s3://other_connection@bucket/share", "http://user:word@127.0.0.1:9/share"])
def test_a_run_names_no_connection(web, base, monkeypatch):
    with pytest.raises(BadDataError, match="an address without a connection or user was expected") as raised:
        played(sensor(base=base))
    assert "word" not in str(raised.value)
    monkeypatch.setenv("SONGS_SPINS_BASE", base)
    with Download("spins", "2019-02-08", "run").open() as remote:
        assert remote


def test_the_deadline_names_address_and_last_reason(web):
    web.always["HEAD", PATH] = status(503)
    with pytest.raises(AirflowSensorTimeout) as error:
        sensor().resume_execution("__fail__", TIMEOUT, CONTEXT)
    address = f"{web.url}{PATH}"
    expected = f"{address} did not come within 2 hours; at last: {address}: 503 Service Unavailable"
    assert str(error.value) == expected


@pytest.mark.parametrize("arguments", [{"soft_fail": True}, {"never_fail": True}])
@pytest.mark.parametrize(
    ("method", "event"), [("__fail__", TIMEOUT), ("resume", {"event": {"error": "10 looks failed"}, "deadline": 1})]
)
def test_deadline_and_failed_looks_may_be_no_failure(web, method, event, arguments):
    with pytest.raises(AirflowSkipException):
        sensor(**arguments).resume_execution(method, event, CONTEXT)


def test_what_is_there_at_the_deadline_is_taken(web):
    web.files[PATH] = DATA
    assert sensor().resume_execution("__fail__", TIMEOUT, CONTEXT)["size"] == len(DATA)


def test_a_refusal_of_the_trigger_fails(web):
    with pytest.raises(BadDataError, match="no entry"):
        sensor().resume_execution("resume", {"event": {"refused": "no entry"}, "deadline": 1}, CONTEXT)


def test_failed_looks_of_the_trigger_fail(web):
    with pytest.raises(RemoteError, match="10 looks failed"):
        sensor().resume_execution("resume", {"event": {"error": "10 looks failed"}, "deadline": 1}, CONTEXT)


def test_what_is_awaited_is_a_template(web):
    with DAG("songs", schedule=None):
        task = DownloadSensor(
            task_id="spins", name="spins", day="{{ params.day }}", poll_seconds="{{ params.poll_seconds }}"
        )
    task.render_template_fields({"params": {"day": "2019-02-08", "poll_seconds": 5}, "run_id": "manual"})  # pyright: ignore[reportArgumentType]
    assert task.arguments == {"name": "spins", "day": "2019-02-08", "run_id": "manual", "base": ""}
    assert task.poll_seconds == "5"


def test_a_download_is_fetched_under_the_lease(web):
    web.files[PATH] = DATA
    version = played(sensor())
    assert version["size"] == len(DATA)
    assert version["source"] == f"{web.url}{PATH}"
    assert layout.has_spins(root(), DAY)
    with pytest.raises(LeaseHeldError, match="is held by run"):
        lease("other").acquire()
    lease("run").acquire()


def lease(holder: str) -> Lease:
    return Lease(layout.lease_file(root(), DAY), holder, 60, lambda: datetime.now(UTC))


def resume(task: RemoteSensor, deadline: float):
    return task.resume_execution("resume", EVENT | {"deadline": deadline}, CONTEXT)


def test_a_file_that_is_gone_again_is_waited_for_again_till_the_same_deadline(web):
    deadline = time.time() + 100
    with pytest.raises(TaskDeferred) as deferred:
        resume(sensor(), deadline)
    assert deferred.value.kwargs == {"deadline": deadline}
    assert deferred.value.timeout
    assert 90 < deferred.value.timeout.total_seconds() <= 100
    assert deferred.value.trigger.serialize()[1]["rest_seconds"] == 10
    assert [method for method, _ in web.requests] == ["GET"]


def test_trouble_that_lasts_is_waited_out(web):
    web.always["GET", PATH] = status(503)
    with pytest.raises(TaskDeferred):
        resume(sensor(), time.time() + 100)
    assert [method for method, _ in web.requests] == ["GET"] * download.MAX_ATTEMPTS


def test_a_file_that_never_can_be_read_ends_at_the_deadline(web):
    web.files[PATH] = DATA
    web.always["GET", PATH] = status(503)
    expected = rf"{PATH} did not come within 2 hours; at last: .*{PATH}: 503"
    with pytest.raises(AirflowSensorTimeout, match=expected):
        resume(sensor(), time.time() - 1)
    assert len(web.requests) == download.MAX_ATTEMPTS
    with pytest.raises(AirflowSensorTimeout, match=expected):
        sensor().resume_execution("__fail__", TIMEOUT, CONTEXT)


HALF = DATA[:-9]


@pytest.mark.parametrize("length", [len(DATA), len(HALF), 0])
def test_an_incomplete_file_is_fetched_again_when_it_has_changed(web, length):
    """Shorter than announced, cut with a length that fits, and a placeholder without content."""
    web.always["GET", PATH] = content(HALF if length else b"", length)
    deadline = time.time() + 7200
    task = sensor()
    event = {"event": {"name": "a", "size": length, "fingerprint": "half"}, "deadline": deadline}
    for fetches, rest in enumerate([10, 10, 12, 24, 48, 48]):
        with pytest.raises(TaskDeferred) as deferred:
            task.resume_execution("resume", event | ({"fetches": fetches} if fetches else {}), CONTEXT)
        assert deferred.value.kwargs == {"deadline": deadline, "fetches": fetches + 1}
        arguments = deferred.value.trigger.serialize()[1]
        assert (arguments["rest_seconds"], arguments["incomplete"]) == (rest, "half")
        assert arguments["patience_seconds"] == 3600 * 2**fetches
    web.always.clear()
    web.files[PATH] = DATA
    assert task.resume_execution("resume", event | {"fetches": 6}, CONTEXT)["size"] == len(DATA)


def test_an_incomplete_file_of_which_nothing_is_known_is_fetched_again_less_and_less_often(web):
    web.always["GET", PATH] = content(HALF, None)
    event = {"event": {"name": "a", "size": None, "fingerprint": "-1-0.000000"}, "deadline": time.time() + 7200}
    for fetches in range(4):
        with pytest.raises(TaskDeferred) as deferred:
            sensor().resume_execution("resume", event | {"fetches": fetches}, CONTEXT)
        arguments = deferred.value.trigger.serialize()[1]
        assert (arguments["rest_seconds"], arguments["incomplete"]) == (max(10, 3 * 2**fetches), "")


def test_an_incomplete_file_ends_at_the_deadline(web):
    web.files[PATH] = HALF
    with pytest.raises(AirflowSensorTimeout, match=r"did not come within 2 hours; at last: .* is not complete"):
        sensor().resume_execution("__fail__", TIMEOUT, CONTEXT)


def test_a_file_that_is_not_parquet_fails(web):
    web.files[PATH] = b"<html>"
    with pytest.raises(NotParquetError):
        resume(sensor(), time.time() + 100)


def test_another_run_of_the_same_day_is_waited_for_and_its_file_taken(web, capsys):
    web.files[PATH] = DATA
    lease("other").acquire()
    with pytest.raises(TaskDeferred):
        resume(sensor(), time.time() + 100)
    assert "is held by other" in capsys.readouterr().out
    assert not layout.has_spins(root(), DAY)
    played(sensor(run_id="other"))
    lease("other").release()
    assert resume(sensor(), time.time() + 100) is None
