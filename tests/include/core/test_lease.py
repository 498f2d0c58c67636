"""Leases of days, local. S3 is in tests/plugins/test_songs_on_s3.py."""

import json
import multiprocessing
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.core.lease import Lease, LeaseHeldError, LeaseLostError


class Clock:
    """Stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = datetime(2019, 2, 9, 6, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lease(tmp_path, clock) -> Callable[[str], Lease]:
    """Return a function that builds the lease of a day for a run."""
    return lambda holder: Lease(tmp_path / "leases" / "2019-02-08.json", holder, 60, clock)


def test_a_day_is_one_runs_at_a_time(lease):
    lease("a").acquire()
    with pytest.raises(LeaseHeldError, match=r"2019-02-08.json is held by a until 2019-02-09T06:01:00\+00:00") as error:
        lease("b").acquire()
    assert error.value.holder == "a"


def test_the_same_run_has_its_day_at_once(lease, clock):
    lease("a").acquire()
    clock.pass_by(59)
    lease("a").acquire()
    clock.pass_by(59)
    with pytest.raises(LeaseHeldError):
        lease("b").acquire()


def test_a_day_that_is_given_back_is_free(lease):
    lease("a").acquire()
    lease("a").release()
    lease("b").acquire()
    with pytest.raises(LeaseHeldError):
        lease("a").acquire()


def test_a_run_that_is_silent_loses_its_day(lease, clock):
    lease("a").acquire()
    clock.pass_by(59.9)
    with pytest.raises(LeaseHeldError):
        lease("b").acquire()
    clock.pass_by(0.1)
    lease("b").acquire()
    with pytest.raises(LeaseLostError, match="a has lost it to b"):
        lease("a").renew()
    with pytest.raises(LeaseHeldError):
        lease("a").acquire()


def test_a_run_that_is_alive_keeps_its_day(lease, clock):
    lease("a").acquire()
    for _ in range(10):
        clock.pass_by(59)
        lease("a").renew()
        with pytest.raises(LeaseHeldError):
            lease("b").acquire()


def test_an_expired_lease_that_nobody_wanted_can_be_renewed(lease, clock):
    lease("a").acquire()
    clock.pass_by(600)
    lease("a").renew()
    with pytest.raises(LeaseHeldError):
        lease("b").acquire()


def test_what_was_lost_is_not_given_back(lease, clock):
    lease("a").acquire()
    clock.pass_by(60)
    lease("b").acquire()
    lease("a").release()
    with pytest.raises(LeaseHeldError):
        lease("c").acquire()


def test_nothing_to_renew_or_to_give_back(lease, tmp_path):
    with pytest.raises(LeaseLostError, match="lost it to nobody"):
        lease("a").renew()
    lease("a").release()
    assert not (tmp_path / "leases" / "2019-02-08.json").exists()


def test_days_do_not_hinder_each_other(tmp_path, clock):
    Lease(tmp_path / "2019-02-08.json", "a", 60, clock).acquire()
    Lease(tmp_path / "2019-02-09.json", "b", 60, clock).acquire()


def test_who_had_a_day_last_is_kept(lease, tmp_path):
    lease("a").acquire()
    lease("a").release()
    known = json.loads((tmp_path / "leases" / "2019-02-08.json").read_text())
    assert (known["holder"], known["expires_at"]) == ("a", "2019-02-09T06:00:00+00:00")


def winners(path: Path, clock: Callable[[], datetime], count: int = 8) -> list[str]:
    """Have many holders take a lease at once; return those who got it."""
    won, start = [], threading.Barrier(count)

    def take(holder: str) -> None:
        start.wait()
        try:
            Lease(path, holder, 60, clock).acquire()
        except LeaseHeldError:
            return
        won.append(holder)

    threads = [threading.Thread(target=take, args=(str(number),)) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return won


def test_one_of_many_threads_has_a_new_day_and_then_an_expired_one(tmp_path, clock):
    for _ in range(20):
        won = winners(tmp_path / "a.json", clock)
        assert len(won) == 1
        assert json.loads((tmp_path / "a.json").read_text())["holder"] == won[0]
        clock.pass_by(60)


def take_many(folder: Path, holder: str, start: float) -> None:
    """Try to take 20 leases that had expired."""
    now = datetime(2019, 2, 9, 7, tzinfo=UTC)
    time.sleep(max(0.0, start - time.time()))
    for number in range(20):
        try:
            Lease(folder / f"{number}.json", holder, 60, lambda: now).acquire()
        except LeaseHeldError:
            continue
        (folder / f"{number}.won-by-{holder}").touch()


def test_one_of_many_processes_has_an_expired_day(tmp_path, clock):
    for number in range(20):
        Lease(tmp_path / f"{number}.json", "old", 60, clock).acquire()
    fork = multiprocessing.get_context("fork")
    start = time.time() + 0.2
    processes = [fork.Process(target=take_many, args=(tmp_path, str(number), start)) for number in range(4)]
    for each in processes:
        each.start()
    for each in processes:
        each.join(30)
        assert each.exitcode == 0
    assert sorted(path.name.partition(".")[0] for path in tmp_path.glob("*.won-by-*")) == sorted(map(str, range(20)))


def test_a_lease_is_kept_as_long_as_the_work_goes_on(tmp_path):
    def now() -> datetime:
        return datetime.now(UTC)

    path = tmp_path / "a.json"
    with Lease(path, "a", 0.3, now).kept():
        until = time.monotonic() + 0.9
        while time.monotonic() < until:
            with pytest.raises(LeaseHeldError):
                Lease(path, "b", 0.3, now).acquire()
            time.sleep(0.02)
    time.sleep(0.35)
    Lease(path, "b", 0.3, now).acquire()


def test_work_that_has_lost_its_lease_hears_of_it(tmp_path, clock, caplog):
    path = tmp_path / "a.json"

    def work() -> None:
        with Lease(path, "a", 0.06, clock).kept():
            clock.pass_by(1)
            Lease(path, "b", 60, clock).acquire()
            while not caplog.records:  # it is told meanwhile
                time.sleep(0.01)

    with pytest.raises(LeaseLostError, match="a has lost it to b"):
        work()


def test_a_renewal_that_fails_is_not_the_end(tmp_path, clock, monkeypatch):
    real, failed = Lease.renew, threading.Event()

    def renew(self) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError("the storage is away")
        real(self)

    monkeypatch.setattr(Lease, "renew", renew)
    with Lease(tmp_path / "a.json", "a", 0.06, clock).kept():
        assert failed.wait(5)


def test_an_error_of_the_work_ends_the_renewals(tmp_path, clock):
    with pytest.raises(ZeroDivisionError), Lease(tmp_path / "a.json", "a", 60, clock).kept():
        raise ZeroDivisionError
    assert not [each for each in threading.enumerate() if each.name.startswith("lease")]


def test_a_day_that_is_taken_is_not_worked_on(tmp_path, clock):
    Lease(tmp_path / "a.json", "a", 60, clock).acquire()
    with pytest.raises(LeaseHeldError), Lease(tmp_path / "a.json", "b", 60, clock).kept():
        pytest.fail("both have it")
