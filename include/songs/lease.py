"""Whose a day is: one lease a day, in an object that is replaced only by who knows what it says.

A run takes the lease of its day before it writes, says now and then that it is alive, and gives the lease back. The
same run, tried again, has it at once; another one when it was given back or has expired. Clocks may differ by less than
the time of a lease.

Local changes are made one at a time, under a lock of the folder. S3 takes a change only if the object is still the one
that was read (conditional writes); a store that ignores such conditions keeps no two runs apart.
"""

import fcntl
import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from include.core.storage import StoragePath, find_object, is_local, local_path, read_json, write_json
from include.core.web import s3_answer

log = logging.getLogger(__name__)

RENEWALS = 3
"""So many times in its time a lease is renewed."""
CONFLICTS = (404, 409, 412)
"""S3's answers to a conditional write when somebody else was faster."""
TRIES = 20


class LeaseHeldError(Exception):
    """The day is another run's, for now."""

    def __init__(self, lease: str, holder: str, expires_at: datetime) -> None:
        super().__init__(f"{lease} is held by {holder} until {expires_at.isoformat()}, or longer")
        self.holder = holder
        self.expires_at = expires_at


class LeaseLostError(Exception):
    """The lease has expired, and another run has taken it."""


@dataclass(frozen=True)
class Holding:
    """What a lease says."""

    holder: str
    """The run."""
    taken_at: str
    """ISO 8601, as all times here."""
    expires_at: str
    """From then on the day is free."""
    change: str
    """Makes the content of every change another one."""


class Lease:
    """
    The lease of a day, as a run sees it.

    Args:
        path: where it is kept, local or in S3.
        holder: name of the run.
        seconds: how long it lasts without renewal.
        clock: gives the present, with its zone.
    """

    def __init__(self, path: StoragePath, holder: str, seconds: float, clock: Callable[[], datetime]) -> None:
        self.path = path
        self.holder = holder
        self.seconds = seconds
        self.clock = clock

    def acquire(self) -> None:
        """
        Take the lease.

        Raises:
            LeaseHeldError: another run has it.
        """

        def take(found: Holding | None) -> Holding:
            now = self.clock()
            if found and found.holder != self.holder:
                expires_at = datetime.fromisoformat(found.expires_at)
                if expires_at > now:
                    raise LeaseHeldError(str(self.path), found.holder, expires_at)
                log.info("%s is free: %s had it until %s", self.path, found.holder, found.expires_at)
            return self._until(now, now.isoformat(), self.seconds)

        self._change(take)

    def renew(self) -> None:
        """
        Say that the run is alive.

        Raises:
            LeaseLostError: another run has taken the lease.
        """

        def prolong(found: Holding | None) -> Holding:
            mine = self._mine(found)
            return self._until(self.clock(), mine.taken_at, self.seconds)

        self._change(prolong)

    def release(self) -> None:
        """Give the lease back, if it is still this run's."""

        def end(found: Holding | None) -> Holding:
            return self._until(self.clock(), self._mine(found).taken_at, 0)

        try:
            self._change(end)
        except LeaseLostError as error:
            log.info("%s", error)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """
        Take the lease and renew it during the block; it is not given back at the end.

        Raises:
            LeaseHeldError: another run has it.
            LeaseLostError: at the end of the block another run had taken it.
        """
        self.acquire()
        over = threading.Event()
        thread = threading.Thread(target=self._renew_until, args=[over], name=f"lease {self.path.name}")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        self.renew()

    def _renew_until(self, over: threading.Event) -> None:
        while not over.wait(self.seconds / RENEWALS):
            try:
                self.renew()
            except LeaseLostError as error:
                log.error("%s", error)
                return
            except Exception:  # the next renewal may succeed, and if not, the end of the block tells
                log.warning("%s was not renewed", self.path, exc_info=True)

    def _until(self, now: datetime, taken_at: str, seconds: float) -> Holding:
        return Holding(self.holder, taken_at, (now + timedelta(seconds=seconds)).isoformat(), uuid.uuid4().hex)

    def _mine(self, found: Holding | None) -> Holding:
        if found is None or found.holder != self.holder:
            raise LeaseLostError(f"{self.path}: {self.holder} has lost it to {found.holder if found else 'nobody'}")
        return found

    def _change(self, change: Callable[[Holding | None], Holding]) -> None:
        """Replace the lease by what *change* makes of it, unless somebody else replaces it meanwhile; then again."""
        if is_local(self.path):
            with _locked(self.path):
                found = _read(self.path)
                write_json(self.path, asdict(change(found)), exclusive=found is None)
            return
        for _ in range(TRIES):
            stored = find_object(self.path)  # before the content: a change between the two is noticed
            found = _read(self.path) if stored else None
            if _swap(self.path, asdict(change(found)), stored.tag if stored else None):
                return
        raise OSError(f"{self.path} was changed by others {TRIES} times in a row")


def ends(path: StoragePath) -> datetime | None:
    """Tell until when a lease lasts, or lasted; `None`: there is none."""
    found = _read(path)
    return datetime.fromisoformat(found.expires_at) if found else None


def forget(path: StoragePath, before: datetime) -> bool:
    """Remove a lease that has run out *before*; `False`: it is not that old, or somebody has taken it just now."""

    def is_old() -> bool:
        end = ends(path)
        return end is not None and end < before

    if is_local(path):
        with _locked(path):
            if old := is_old():
                local_path(path).unlink()
            return old
    stored = find_object(path)  # before the content, as in `_change`
    return stored is not None and is_old() and _delete(path, stored.tag)


def _read(path: StoragePath) -> Holding | None:
    known = read_json(path)
    return Holding(**known) if known else None


@contextmanager
def _locked(path: StoragePath) -> Iterator[None]:
    """Keep all others, in this process and in others, from changing local leases."""
    folder = local_path(path).parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("ab") as file:  # the lock ends with the file, or with the process
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _swap(path: Any, content: dict[str, Any], tag: str | None) -> bool:
    """Replace the object in S3 that has *tag*, or make it if that is `None`; `False`: it is another one by now."""
    try:
        if tag is None:
            write_json(path, content, exclusive=True)
        else:
            path.fs.pipe_file(path.path, json.dumps(content).encode(), IfMatch=f'"{tag}"')
    except FileExistsError:
        return False
    except OSError as error:
        if s3_answer(error)[0] in CONFLICTS:
            return False
        raise
    return True


def _delete(path: Any, tag: str) -> bool:
    """Delete the object in S3 that has *tag*; `False`: it is another one by now."""
    bucket, key, _ = path.fs.split_path(path.path)
    try:
        path.fs.call_s3("delete_object", Bucket=bucket, Key=key, IfMatch=f'"{tag}"')
    except OSError as error:
        if s3_answer(error)[0] in CONFLICTS:
            return False
        raise
    return True
