"""One lease per key, stored as an object changed only by compare-and-swap.

A holder takes the lease before it works, renews it while it works, and releases it. The same holder, tried again, has
it at once; another one when it was released or has expired. Clocks may differ by less than the duration of a lease.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from include.core.errors import TransientError
from include.core.storage import (
    StoragePath,
    as_json,
    compare_and_delete,
    compare_and_swap,
    parse_json,
    read_tagged,
)

log = logging.getLogger(__name__)

RENEWALS = 3
"""How often a lease is renewed within its duration."""
MAX_ATTEMPTS = 20
"""Of a change, while others change the lease."""


class LeaseHeldError(TransientError):
    """Another holder has the lease."""

    def __init__(self, lease: str, holder: str, expires_at: datetime) -> None:
        super().__init__(f"{lease} is held by {holder} until {expires_at.isoformat()}, or longer")
        self.holder = holder
        self.expires_at = expires_at


class LeaseLostError(Exception):
    """The lease had expired, and another holder has taken it."""


@dataclass(frozen=True)
class LeaseState:
    """The content of a lease."""

    holder: str
    """Who took it last."""
    taken_at: str
    """ISO 8601, as all times here."""
    expires_at: str
    """From then on anybody may take it."""
    change: str
    """Random, so that no two changes have the same content."""


class Lease:
    """
    A lease, as one holder sees it.

    Args:
        path: where it is stored, local or in S3.
        holder: name of the holder.
        seconds: its duration without renewal.
        clock: returns the present, with its zone.
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
            LeaseHeldError: another holder has it.
        """

        def take(found: LeaseState | None) -> LeaseState:
            now = self.clock()
            if found and found.holder != self.holder:
                expires_at = datetime.fromisoformat(found.expires_at)
                if expires_at > now:
                    raise LeaseHeldError(str(self.path), found.holder, expires_at)
                log.info("%s is free: %s had it until %s", self.path, found.holder, found.expires_at)
            return self._state(now, now.isoformat(), self.seconds)

        self._change(take)

    def renew(self) -> None:
        """
        Prolong the lease by its duration, from now.

        Raises:
            LeaseLostError: another holder has taken it.
        """

        def prolong(found: LeaseState | None) -> LeaseState:
            mine = self._mine(found)
            return self._state(self.clock(), mine.taken_at, self.seconds)

        self._change(prolong)

    def release(self) -> None:
        """End the lease, if this holder still has it."""

        def end(found: LeaseState | None) -> LeaseState:
            return self._state(self.clock(), self._mine(found).taken_at, 0)

        try:
            self._change(end)
        except LeaseLostError as error:
            log.info("%s", error)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """
        Take the lease and renew it during the block; it is not released at the end.

        Raises:
            LeaseHeldError: another holder has it.
            LeaseLostError: at the end of the block another holder had taken it.
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
            except Exception:  # the next renewal may succeed; if not, the one at the end of the block raises
                log.warning("%s was not renewed", self.path, exc_info=True)

    def _state(self, now: datetime, taken_at: str, seconds: float) -> LeaseState:
        return LeaseState(self.holder, taken_at, (now + timedelta(seconds=seconds)).isoformat(), uuid.uuid4().hex)

    def _mine(self, found: LeaseState | None) -> LeaseState:
        if found is None or found.holder != self.holder:
            raise LeaseLostError(f"{self.path}: {self.holder} has lost it to {found.holder if found else 'nobody'}")
        return found

    def _change(self, change: Callable[[LeaseState | None], LeaseState]) -> None:
        """Replace the lease by what *change* makes of it; again, if somebody else replaces it meanwhile."""
        for _ in range(MAX_ATTEMPTS):
            state, tag = _read(self.path)
            if compare_and_swap(self.path, as_json(asdict(change(state))), tag):
                return
        raise OSError(f"{self.path} was changed by others {MAX_ATTEMPTS} times in a row")


def end_of(path: StoragePath) -> datetime | None:
    """Return when a lease expires, or expired; `None`: there is none."""
    state, _ = _read(path)
    return datetime.fromisoformat(state.expires_at) if state else None


def remove_expired(path: StoragePath, before: datetime) -> bool:
    """Remove a lease that expired *before*; `False`: it is younger, or somebody has just taken it."""
    state, tag = _read(path)
    if state is None or tag is None or datetime.fromisoformat(state.expires_at) >= before:
        return False
    return compare_and_delete(path, tag)


def _read(path: StoragePath) -> tuple[LeaseState | None, str | None]:
    found = read_tagged(path)
    return (LeaseState(**parse_json(path, found.data)), found.tag) if found else (None, None)
