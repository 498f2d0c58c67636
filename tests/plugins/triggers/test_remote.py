"""The trigger behind the wait for a remote file; time passes only in its sleeps."""

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from include.core.storage import write_whole
from quartet.hooks import remote as hook
from quartet.hooks.storage import StorageHook
from quartet.triggers import remote
from quartet.triggers.remote import MAX_PAUSE_POLLS, RemoteTrigger
from tests.support.web import Web, content, parquet, serving, status

PATH = "/share/spins-2019-02-08.snappy.parquet"
DATA = parquet()


@pytest.fixture
def share(home, monkeypatch) -> Iterator[Web]:
    with serving() as web:
        monkeypatch.setenv("SONGS_SPINS_BASE", f"{web.url}/share")
        monkeypatch.setenv("SONGS_QUERY_SUFFIX", "?token=secret")
        monkeypatch.setattr(hook, "HTTP_TIMEOUT_SECONDS", 0.3)
        yield web


@pytest.fixture
def slept(monkeypatch) -> list[float]:
    """Yield the pauses; none takes time."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if steps := STEPS:
            steps.pop(0)()

    monkeypatch.setattr(remote, "asyncio", SimpleNamespace(sleep=sleep, to_thread=asyncio.to_thread))
    yield slept  # pyright: ignore[reportReturnType]
    STEPS.clear()


STEPS: list[Callable[[], Any]] = []
"""What happens in the next pauses; the first one is before the first look."""


SPINS = ("quartet.workflows.songs.Download", {"name": "spins", "day": "2019-02-08", "run_id": "run"})


def url(address: str) -> tuple[str, dict[str, Any]]:
    return "tests.support.remote.Url", {"url": address}


def wait(*steps: Callable[[], Any], awaited: Any = SPINS, **arguments: Any) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        STEPS[:] = steps
        return [event.payload async for event in RemoteTrigger(*awaited, **arguments).run()]

    return asyncio.run(run())


def nothing() -> None:
    pass


def test_it_ends_with_the_file(share, slept):
    def put() -> None:
        share.files[PATH] = DATA

    found = wait(nothing, nothing, nothing, put, rest_seconds=5, poll_seconds=60)
    assert [(each["name"], each["size"]) for each in found] == [("spins-2019-02-08.snappy.parquet", len(DATA))]
    assert slept == [5, 60, 60, 60]
    assert share.requests == [(method, f"{PATH}?token=secret") for method in ["HEAD", "GET"] * 3 + ["HEAD"]]


def answer(share: Web, code: int) -> Callable[[], None]:
    def change() -> None:
        share.always["HEAD", PATH] = share.always["GET", PATH] = status(code)

    return change


def test_trouble_that_passes_is_waited_out_with_growing_pauses(share, slept, caplog, capsys):
    def put() -> None:
        share.always.clear()
        share.files[PATH] = DATA

    steps = [answer(share, 503), *[nothing] * 10, answer(share, 404), nothing, put]
    assert len(wait(*steps, poll_seconds=60, max_failures=3)) == 1
    assert slept == [0, 120, 240, 480, *[60 * MAX_PAUSE_POLLS] * 8, 60, 60][: len(slept)]
    assert slept[-2:] == [60, 60]
    log = caplog.text + capsys.readouterr().out
    assert log.count("503 Service Unavailable") == 1
    assert log.count("works again, after 11 failures") == 1
    assert log.count(f"Not ready: {share.url}{PATH}: 404 Not Found") == 1
    assert "secret" not in log


@pytest.mark.parametrize("code", [400, 401])
def test_a_refusal_ends_the_wait(share, slept, code):
    found = wait(nothing, nothing, answer(share, code), poll_seconds=60)
    assert [list(each) for each in found] == [["refused"]]
    assert found[0]["refused"].startswith(f"{share.url}{PATH}: {code}")


def test_unexpected_errors_end_the_wait(share, slept, monkeypatch):
    def fail(self) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("include.core.remote.web.WebFile.look", fail)
    found = wait(poll_seconds=60, max_failures=3)
    assert [list(each) for each in found] == [["error"]]
    assert "3 looks failed, the last with ZeroDivisionError" in found[0]["error"]


def test_a_file_in_the_storage(home, slept):
    def put() -> None:
        write_whole(StorageHook().path("songs/a"), b"1\n")

    found = wait(nothing, nothing, put, awaited=url("songs/a"))
    assert [(each["name"], each["size"]) for each in found] == [("a", 2)]
    assert slept == [0, 60, 60]


def test_half_a_file_is_waited_for(home, slept, caplog):
    write_whole(StorageHook().path("songs/a"), b"1")

    def end() -> None:
        write_whole(StorageHook().path("songs/a"), b"1\n")

    assert len(wait(nothing, nothing, end, awaited=url("songs/a"), settle_seconds=60)) == 1
    assert caplog.text.count("it may not be complete yet") == 1


@pytest.mark.parametrize("answer_head", [True, False])
def test_an_empty_file_is_a_placeholder(share, slept, answer_head):
    share.files[PATH] = b""
    if not answer_head:
        share.always["HEAD", PATH] = status(404)
        share.always["GET", PATH] = status(416, Content_Range="bytes */0")

    def put() -> None:
        share.always.clear()
        share.files[PATH] = DATA

    [found] = wait(nothing, nothing, put)
    assert found["size"] == len(DATA)


def test_a_server_need_not_tell_the_size(share, slept):
    share.always["HEAD", PATH] = content(b"", None)
    assert wait(awaited=url(f"{share.url}{PATH}")) == [
        {"name": "spins-2019-02-08.snappy.parquet", "size": None, "fingerprint": "-1-0.000000"}
    ]


def played(fingerprints: str, monkeypatch, **arguments: Any) -> list[str]:
    """Return the fingerprints of the events when the looks find these."""
    found = iter(fingerprints)
    monkeypatch.setattr(remote, "look", lambda *_: {"fingerprint": next(found)})
    return [each["fingerprint"] for each in wait(awaited=url("a"), incomplete="a", poll_seconds=60, **arguments)]


def test_an_incomplete_file_is_looked_at_less_and_less_often_until_it_has_changed(home, slept, monkeypatch):
    assert played("aaaaaaabb", monkeypatch, rest_seconds=5, patience_seconds=1e9) == ["b"]
    assert slept == [5, 120, 240, 480, 960, 960, 960, 960, 60]


def test_a_file_that_still_grows_is_not_complete(home, slept, monkeypatch):
    assert played("abcdeff", monkeypatch, patience_seconds=1e9) == ["f"]


def test_an_incomplete_file_that_never_changes_is_taken_after_a_while(home, slept, monkeypatch):
    assert played("a" * 9, monkeypatch, rest_seconds=60, patience_seconds=3600) == ["a"]
    assert 3600 <= sum(slept) < 3600 + 960


def test_failures_are_counted_in_a_row(home, slept, monkeypatch):
    real, failing = remote.look, iter([True, True, False, True, True, False])

    def look(*arguments: Any) -> dict[str, Any]:
        if next(failing):
            raise ZeroDivisionError
        return real(*arguments)

    def put() -> None:
        write_whole(StorageHook().path("songs/a"), b"1\n")

    monkeypatch.setattr(remote, "look", look)
    assert len(wait(*[nothing] * 5, put, awaited=url("songs/a"), max_failures=3)) == 1


def test_it_is_made_anew_from_what_it_serializes():
    trigger = RemoteTrigger(
        *SPINS, rest_seconds=1, incomplete="a", patience_seconds=5, poll_seconds=2, settle_seconds=3, max_failures=4
    )
    path, arguments = trigger.serialize()
    assert path == "quartet.triggers.remote.RemoteTrigger"
    assert RemoteTrigger(**arguments).serialize() == trigger.serialize()
