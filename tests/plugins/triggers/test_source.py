"""The trigger behind the wait for spins and listeners; time passes only in its sleeps."""

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from quartet.hooks import sources
from quartet.triggers import arrival, source
from quartet.triggers.arrival import MAX_PAUSE_POLLS
from quartet.triggers.source import SourceTrigger
from tests.include.songs.web import Web, parquet, serving, status

PATH = "/share/spins-2019-02-08.snappy.parquet"
DATA = parquet()


@pytest.fixture
def share(home, monkeypatch) -> Iterator[Web]:
    with serving() as web:
        monkeypatch.setenv("SONGS_SPINS_BASE", f"{web.url}/share")
        monkeypatch.setenv("SONGS_QUERY_SUFFIX", "?token=secret")
        monkeypatch.setattr(sources, "HTTP_TIMEOUT_SECONDS", 0.3)
        yield web


@pytest.fixture
def slept(monkeypatch) -> list[float]:
    """Give the pauses; none takes time."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if steps := STEPS:
            steps.pop(0)()

    for module in (arrival, source):
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=sleep, to_thread=asyncio.to_thread))
    yield slept  # pyright: ignore[reportReturnType]
    STEPS.clear()


STEPS: list[Callable[[], Any]] = []
"""What happens in the next pauses; the first one is before the first look."""


def wait(*steps: Callable[[], Any], **arguments: Any) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        STEPS[:] = steps
        return [event.payload async for event in SourceTrigger("spins", "2019-02-08", **arguments).run()]

    return asyncio.run(run())


def nothing() -> None:
    pass


def test_it_ends_with_the_file(share, slept):
    def put() -> None:
        share.files[PATH] = DATA

    found = wait(nothing, nothing, nothing, put, rest_seconds=5, poll_seconds=60)
    assert [(each["name"], each["size"]) for each in found] == [("spins-2019-02-08.snappy.parquet", len(DATA))]
    assert slept == [5, 60, 60, 60]
    assert share.requests == [("HEAD", f"{PATH}?token=secret")] * 4


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

    monkeypatch.setattr("include.songs.remote.WebFile.look", fail)
    found = wait(poll_seconds=60, max_failures=3)
    assert [list(each) for each in found] == [["error"]]
    assert "3 looks failed, the last with ZeroDivisionError" in found[0]["error"]


def test_it_is_made_anew_from_what_it_serializes():
    trigger = SourceTrigger("listeners", "2019-02-08", rest_seconds=1, poll_seconds=2, settle_seconds=3, max_failures=4)
    path, arguments = trigger.serialize()
    assert path == "quartet.triggers.source.SourceTrigger"
    assert SourceTrigger(**arguments).serialize() == trigger.serialize()
