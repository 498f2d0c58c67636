"""The event trigger, on a clock that stands still: time passes only while they sleep, and a test acts there."""

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import BaseEventTrigger
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.storage import write_whole
from quartet.hooks.storage import StorageHook
from quartet.triggers import arrival, watched
from quartet.triggers.arrival import SAVE_AFTER_SECONDS, ArrivalTrigger
from quartet.triggers.leftover import MAX_PAUSE_SECONDS, LeftoverReports
from tests.support.web import status

Step = Callable[[], Any] | float
LATER = SAVE_AFTER_SECONDS + 1


class Killed(BaseException):
    """kill -9: nothing runs after it."""


class Clock:
    """Stands still; `steps` says what happens in each sleep (an action, or seconds that pass), and then the kill."""

    def __init__(self) -> None:
        self.start = time.time()
        self.now = 1_000.0
        self.steps: list[Step] = []
        self.slept: list[float] = []

    def time(self) -> float:
        return self.start + self.now - 1_000.0

    async def sleep(self, seconds: float) -> None:
        if not self.steps:
            raise Killed
        self.now += seconds
        self.slept.append(seconds)
        step = self.steps.pop(0)
        if callable(step):
            step()
        else:
            self.now += step


class Store:
    """Airflow's asset state store, over restarts; it fails while `down`."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.written: list[str] = []
        self.down = False

    async def aget(self, key: str, default: Any = None) -> Any:
        if self.down:
            raise ConnectionError("the store is down")
        return self.values.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        if self.down:
            raise ConnectionError("the store is down")
        self.values[key] = value
        self.written.append(key)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(arrival, "monotonic", lambda: clock.now)
    monkeypatch.setattr(arrival, "asyncio", SimpleNamespace(sleep=clock.sleep, to_thread=asyncio.to_thread))
    monkeypatch.setattr(watched, "time", clock)
    return clock


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def watch(clock, store):
    """Start the trigger, play the steps, kill it; give the payloads of its events."""

    def watch(*steps: Step, until_event: bool = False, **arguments: Any) -> list[dict[str, Any]]:
        async def run() -> list[dict[str, Any]]:
            trigger = ArrivalTrigger(**({"prefix": "ratings/training"} | arguments))
            trigger.asset_state_store = store
            clock.steps = list(steps)
            payloads = []
            try:
                async for event in trigger.run():
                    payloads.append(event.payload)
                    if until_event:
                        break
            except Killed:
                pass
            return payloads

        return asyncio.run(run())

    return watch


def drop(*names: str, content: bytes = b"1\n") -> Callable[[], None]:
    def write() -> None:
        for name in names:
            write_whole(StorageHook().path("ratings/training") / name, content)

    return write


@pytest.mark.parametrize("storage", ["home", "s3_storage"])
def test_what_is_there_and_what_arrives_is_reported_once(request, storage, watch):
    request.getfixturevalue(storage)
    drop("a")()
    assert watch(0, drop("c", "b"), 0, drop("d"), 0, 0) == [
        {"files": ["a"], "count": 1},
        {"files": ["b", "c"], "count": 2},
        {"files": ["d"], "count": 1},
    ]


def test_after_a_kill_while_idle_each_new_file_is_reported_once(home, watch):
    assert watch(drop("a"), 0, LATER, 0) == [{"files": ["a"], "count": 1}]
    drop("b", "c")()
    assert watch(0, LATER, 0) == [{"files": ["b", "c"], "count": 2}]
    assert watch(0, LATER, 0) == []


def test_after_a_kill_right_after_an_arrival_the_file_is_reported_again(home, watch, store):
    drop("a")()
    assert watch(until_event=True) == [{"files": ["a"], "count": 1}]
    assert store.values == {}
    assert watch(0, SAVE_AFTER_SECONDS - 3, 0) == [{"files": ["a"], "count": 1}]  # too young to be remembered
    assert watch(0, LATER, 0) == [{"files": ["a"], "count": 1}]
    assert watch(0, 0) == []


def test_a_replaced_file_is_reported_again_a_removed_one_forgotten(home, watch, store):
    path = home / "data/ratings/training/a"
    assert len(watch(drop("a"), 0, drop("a", content=b"2\n"), 0, LATER, 0)) == 2
    assert any(store.values.values())
    assert watch(path.unlink, LATER, 0) == []
    assert not any(store.values.values())
    drop("a")()
    assert len(watch(0)) == 1


def test_a_steady_stream_is_remembered_while_it_goes_on(home, watch, store):
    steps = [drop(f"{number:02}") for number in range(40)]  # one every 0.5 s
    assert sum(event["count"] for event in watch(*steps)) == 40
    again = watch(0)[0]["files"]
    assert again == [f"{number:02}" for number in range(40)][-len(again) :]
    assert len(again) * 0.5 <= 2 * SAVE_AFTER_SECONDS + 1


def test_writes_to_the_store_are_few(home, watch, store):
    watch(*[drop(str(number)) for number in range(100)])  # 50 s
    assert len(store.written) <= 32 * 50 / SAVE_AFTER_SECONDS


def test_an_event_names_a_hundred_and_counts_all(home, watch):
    names = [f"train-{number:03}" for number in range(250)]
    drop(*names)()
    assert watch(0) == [{"files": names[:100], "count": 250}]


def test_a_file_without_a_newline_is_reported_when_it_has_settled(home, watch, clock):
    events = watch(drop("half", content=b"1"), 0, drop("whole"), 0, 0.9, 0, 0)
    assert [event["files"] for event in events] == [["whole"], ["half"]]


def test_no_rest_reports_half_a_file(home, watch):
    assert len(watch(drop("half", content=b"1"), 0, settle_seconds=0)) == 1


def test_a_name_that_is_not_utf_8_does_not_end_the_trigger(home, watch):
    (home / "data/ratings/training").mkdir(parents=True)
    with open(bytes(home) + b"/data/ratings/training/odd-\xff", "wb") as file:  # noqa: PTH123
        file.write(b"1\n")
    assert watch(0, LATER, 0) == [{"files": ["odd-\\udcff"], "count": 1}]
    assert watch(0, 0) == []


def test_an_outage_is_logged_once_and_waited_out_with_growing_pauses(home, watch, clock, monkeypatch, caplog):
    real, state = arrival._unreported, SimpleNamespace(down=True)

    def look(*arguments):
        if state.down:
            raise PermissionError("the share is gone")
        return real(*arguments)

    monkeypatch.setattr(arrival, "_unreported", look)
    drop("a")()
    assert watch(*[0] * 9, lambda: setattr(state, "down", False), 0) == [{"files": ["a"], "count": 1}]
    assert clock.slept[:8] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert [record.message for record in caplog.records if "looking" in record.message] == [
        "looking at ratings/training failed, trying again: PermissionError('the share is gone')",
        "looking at ratings/training works again, after 10 failures",
    ]


def test_an_outage_of_the_state_store_delays_but_loses_and_doubles_nothing(home, watch, store, caplog):
    drop("a")()
    watch(0, LATER, 0)
    store.down = True
    drop("b")()
    assert watch(0, 0, lambda: setattr(store, "down", False), 0, 0) == [{"files": ["b"], "count": 1}]
    assert caplog.text.count("reading the reports of ratings/training failed, trying again") == 1


def test_a_save_that_fails_is_made_up_for(home, watch, store, caplog):
    down = lambda value: lambda: setattr(store, "down", value)  # noqa: E731
    assert len(watch(drop("a"), down(True), LATER, LATER, down(False), LATER, 0)) == 1
    assert caplog.text.count("saving the reports of ratings/training failed, trying again") == 1
    assert watch(0, 0) == []


def test_without_an_asset_it_works_without_memory(home, clock, capsys):
    async def run():
        async for event in ArrivalTrigger("ratings/training").run():
            return event.payload

    drop("a")()
    assert asyncio.run(run()) == {"files": ["a"], "count": 1}
    assert "kept over a restart" in capsys.readouterr().out


def test_two_assets_of_one_trigger_get_their_events_without_memory(home, watch, store, capsys):
    async def refuse(*_):
        raise ValueError("Task has 2 concrete inlets and outlets")

    store.aget = refuse
    drop("a")()
    assert watch(0, LATER, 0) == [{"files": ["a"], "count": 1}]
    assert "its reports are not kept over a restart: Task has 2" in capsys.readouterr().out
    assert store.written == []


def test_a_slow_look_is_not_repeated_at_once(home, watch, clock, monkeypatch):
    real = arrival._unreported

    def look(*arguments):
        clock.now += 2
        return real(*arguments)

    monkeypatch.setattr(arrival, "_unreported", look)
    watch(0, 0)
    assert clock.slept == [6, 6]


left_over: list[str] = []
"""What a test has left over."""


def find_left_over(min_seconds: float) -> list[str]:
    if "fail" in left_over:
        raise OSError("the storage is away")
    return [*left_over]


def test_leftover_work_is_reported_ever_more_rarely(home, watch, monkeypatch):
    monkeypatch.setattr(f"{__name__}.left_over", ["a.txt"])
    minutes = [5.0 * 60] * 16
    found = watch(*minutes, leftover=f"{__name__}.find_left_over")
    assert found == [{"files": ["a.txt"], "count": 1}] * 5  # after 5, 10, 20, 40 and 80 minutes


def test_leftovers_that_were_done_start_the_pauses_again():
    reports = LeftoverReports("module.function", now=0)
    assert [reports.is_due(now) for now in (0, 299, 300, 301, 600)] == [False, False, True, False, True]
    assert reports.to_report(["a", "b"], 300) == ["a", "b"]
    assert reports.to_report(["b"], 500) == []
    assert reports.to_report(["b", "c"], 600) == ["b", "c"]
    assert reports.to_report(["c"], 900) == []
    assert reports.to_report(["d"], 901) == ["d"]
    assert reports.to_report([], 902) == []
    assert reports.to_report(["d"], 903) == ["d"]


def test_pauses_between_reports_are_bounded():
    reports, times = LeftoverReports("module.function", now=0), []
    for now in range(0, 10 * 24 * 3600, 300):
        if reports.to_report(["a"], now):
            times.append(now)
    assert times[:5] == [0, 300, 900, 2100, 4500]
    assert max(b - a for a, b in pairwise(times)) == MAX_PAUSE_SECONDS


def test_a_check_for_leftovers_that_fails_is_made_up_for(home, watch, monkeypatch):
    left = ["a.txt", "fail"]
    monkeypatch.setattr(f"{__name__}.left_over", left)
    found = watch(301.0, lambda: left.remove("fail"), 301.0, 0, leftover=f"{__name__}.find_left_over")
    assert found == [{"files": ["a.txt"], "count": 1}]


def test_a_web_address_is_watched_too(home, web, watch):
    def put(code, tag):
        return lambda: web.always.update({(method, "/day.tsv"): status(code, ETag=tag) for method in ("HEAD", "GET")})

    steps = [put(500, ""), put(403, ""), put(200, "1"), 0, put(200, "2"), 0, 0]
    assert watch(*steps, prefix="", url=f"{web.url}/day.tsv") == [{"files": ["day.tsv"], "count": 1}] * 2


def test_a_trigger_is_made_anew_from_what_it_serializes():
    for trigger in (
        ArrivalTrigger("ratings/training", poll_seconds=3, settle_seconds=4),
        ArrivalTrigger(url="https://host/a", leftover="package.module.function"),
    ):
        path, arguments = trigger.serialize()
        assert path == "quartet.triggers.arrival.ArrivalTrigger"
        assert ArrivalTrigger(**arguments).serialize() == trigger.serialize()


def test_watchers_of_two_prefixes_do_not_share_a_trigger():
    hashes = {BaseEventTrigger.hash(*ArrivalTrigger(prefix).serialize()) for prefix in ("a", "b", "a/b")}
    assert len(hashes) == 3


@pytest.mark.parametrize("arguments", [{}, {"prefix": "a", "url": "https://host/a"}])
def test_either_a_prefix_or_a_url(arguments):
    with pytest.raises(ValueError, match="either a prefix or a URL"):
        ArrivalTrigger(**arguments)


FILES = st.sampled_from("abcd")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(st.lists(st.one_of(FILES, st.just(LATER)), max_size=5), min_size=1, max_size=3))
def test_whatever_is_dropped_and_killed_nothing_is_lost(tmp_path_factory, monkeypatch, clock, watch, store, runs):
    monkeypatch.setenv("QUARTET_HOME", str(tmp_path_factory.mktemp("home")))
    store.values.clear()
    dropped, reported = 0, 0
    for steps in runs:
        dropped += sum(step != LATER for step in steps)
        play = [step if isinstance(step, float) else drop(step, content=b"%d\n" % len(step)) for step in steps]
        reported += sum(event["count"] for event in watch(*play))
        assert reported >= dropped
    assert reported == dropped or len(runs) > 1
    watch(0, LATER, 0)
    assert watch(0, 0) == []
