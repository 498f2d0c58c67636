"""Wait for objects to arrive: the event trigger behind the asset watchers, and the waiting half of the sensor.

DAG files import this module, so nothing heavy is imported at its top.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from time import monotonic
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent

from include.core.errors import BadDataError
from quartet.triggers.reported import KEYS, Reported

if TYPE_CHECKING:
    from quartet.triggers.listing import Lister

log = logging.getLogger(__name__)

NAMES_IN_EVENT = 100
SAVE_AFTER_SECONDS = 5.0
"""Age of a report when it is remembered: Airflow has stored the event by then, which takes about a second."""
MAX_BACKOFF_SECONDS = 30.0
REST = 3
"""So many times its own duration is the least rest after a look: a huge folder does not take a whole core."""
MAX_PAUSE_POLLS = 16
"""A wait for one object looks so much less often, at most, while there is trouble that passes."""


class PassingTroubleError(Exception):
    """Whether an object is there cannot be told now; the trouble passes by itself."""


class ArrivalTrigger(BaseEventTrigger):
    """
    Report what is new or replaced directly below a prefix, or at one address: at least once each, across restarts.

    For an `AssetWatcher`; two watchers need different arguments, or Airflow makes one trigger of them. The event says
    `{"files": [the first 100 names], "count": of all}`: a call to look, not a list to work off.

    :param prefix: folder below the platform's storage root, such as `ratings/training`.
    :param url: instead of a prefix, one object; see `quartet.triggers.listing.make_lister`.
    :param poll_seconds: between two looks.
    :param settle_seconds: how long a file without a newline at its end has to stay unchanged; 0: not at all.
    :raises ValueError: not exactly one of prefix and URL is given.
    """

    def __init__(
        self, prefix: str = "", *, url: str = "", poll_seconds: float = 0.5, settle_seconds: float = 2.0
    ) -> None:
        super().__init__()
        if bool(prefix) == bool(url):
            raise ValueError(f"either a prefix or a URL was expected, found prefix {prefix!r} and URL {url!r}")
        self.prefix = prefix
        self.url = url
        self.poll_seconds = poll_seconds
        self.settle_seconds = settle_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what Airflow makes the trigger anew from."""
        names = ("prefix", "url", "poll_seconds", "settle_seconds")
        return "quartet.triggers.arrival.ArrivalTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look for ever; an event for each look that finds something."""
        lister = await asyncio.to_thread(_lister, self.prefix, self.url, self.settle_seconds)
        reported = await self._load(str(lister))
        looking, saving = Outage(f"looking at {lister}"), Outage(f"saving what was reported of {lister}")
        next_save = 0.0
        while True:
            started = monotonic()
            try:
                new = await asyncio.to_thread(_unreported, lister, reported)
            except Exception as error:
                looking.note(error)
                await asyncio.sleep(self._backoff(looking.failures))
                continue
            looking.end()
            took = monotonic() - started
            if new:
                self.log.info("%s: %d new, the first is %r", lister, len(new), new[0])
                yield TriggerEvent({"files": [printable(name) for name in new[:NAMES_IN_EVENT]], "count": len(new)})
                reported.add(new, monotonic())
            if monotonic() >= next_save:
                await self._save(reported, saving)
                next_save = monotonic() + SAVE_AFTER_SECONDS
            await asyncio.sleep(max(self.poll_seconds, REST * took))

    def _backoff(self, failures: int) -> float:
        return min(MAX_BACKOFF_SECONDS, self.poll_seconds * 2 ** min(failures, 16))

    async def _load(self, place: str) -> Reported:
        store = self.asset_state_store
        if store is None:
            self.log.warning("%s belongs to no asset: what was reported is not kept over a restart", place)
            return Reported({})
        loading = Outage(f"reading what was reported of {place}")
        while True:
            try:
                return Reported({key: await store.aget(key) for key in KEYS})
            except ValueError as error:  # not one asset: another try does not help
                self.log.error("%s: what was reported is not kept over a restart: %s", place, error)
                self.asset_state_store = None
                return Reported({})
            except Exception as error:
                loading.note(error)
                await asyncio.sleep(self._backoff(loading.failures))

    async def _save(self, reported: Reported, saving: "Outage") -> None:
        if (store := self.asset_state_store) is None:
            return
        values = await asyncio.to_thread(reported.unsaved, monotonic() - SAVE_AFTER_SECONDS)
        try:
            for key, value in values.items():
                await store.aset(key, value)
                reported.saved(key, value)
        except Exception as error:
            saving.note(error)
        else:
            saving.end()


class Outage:
    """Counts the failures in a row of one kind of work, and logs only the first one and the end."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.failures = 0

    def note(self, error: Exception) -> None:
        """Count a failure."""
        self.failures += 1
        if self.failures == 1:
            log.warning("%s failed, trying again: %r", self.what, error)

    def end(self) -> None:
        """Take note of a success."""
        if self.failures:
            log.info("%s works again, after %d failures", self.what, self.failures)
        self.failures = 0


class ArrivedTrigger(BaseTrigger):
    """
    Wait until one object is there, and end: the half of `ArrivalSensor` that needs no worker.

    The event is what `arrived` gives, or `{"error": why}` after too many failed looks in a row, or `{"refused": why}`
    when no look can succeed. Trouble that passes is waited out, with growing pauses.

    :param url: see `quartet.triggers.listing.make_lister`.
    :param poll_seconds: between two looks.
    :param settle_seconds: how long a file without a newline at its end has to stay unchanged; 0: not at all.
    :param max_failures: so many failed looks in a row end the wait.
    """

    def __init__(
        self, url: str, *, poll_seconds: float = 10.0, settle_seconds: float = 2.0, max_failures: int = 10
    ) -> None:
        super().__init__()
        self.url = url
        self.poll_seconds = poll_seconds
        self.settle_seconds = settle_seconds
        self.max_failures = max_failures

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what Airflow makes the trigger anew from."""
        names = ("url", "poll_seconds", "settle_seconds", "max_failures")
        return "quartet.triggers.arrival.ArrivedTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the object is there."""
        lister = await asyncio.to_thread(self._lister)
        trouble = Outage(f"looking at {lister}")
        failures = 0
        while True:
            pause = self.poll_seconds
            try:
                found = await asyncio.to_thread(arrived, lister)
            except PassingTroubleError as error:
                trouble.note(error)
                pause *= min(MAX_PAUSE_POLLS, 2 ** min(trouble.failures, 16))
            except BadDataError as error:
                yield TriggerEvent({"refused": str(error)})
                return
            except Exception as error:
                failures += 1
                self.log.warning("%s: failed look %d of %d: %r", lister, failures, self.max_failures, error)
                if failures >= self.max_failures:
                    yield TriggerEvent({"error": f"{lister}: {failures} looks failed, the last with {error!r}"})
                    return
            else:
                failures = 0
                trouble.end()
                if found:
                    yield TriggerEvent(found)
                    return
            await asyncio.sleep(pause)

    def _lister(self) -> "Lister":
        return _lister("", self.url, self.settle_seconds)


def _lister(prefix: str, url: str, settle_seconds: float) -> "Lister":
    from quartet.triggers.listing import make_lister  # slow: not in the event loop, which all triggers share

    return make_lister(prefix, url, settle_seconds)


def _unreported(lister: "Lister", reported: Reported) -> list[str]:
    there = lister.look()
    return [name for name in reported.unreported(there) if lister.is_settled(there[name])]


def arrived(lister: "Lister") -> dict[str, Any] | None:
    """Describe the object of *lister* (name, size in bytes or `None`, fingerprint); `None` until it is complete."""
    for stored in lister.look().values():
        if lister.is_settled(stored):
            size = stored.size if stored.size >= 0 else None
            return {"name": printable(stored.name), "size": size, "fingerprint": stored.fingerprint}
    return None


def printable(name: str) -> str:
    """Give *name* with bytes that are not UTF-8 escaped: an event that cannot be encoded would end the trigger."""
    return name.encode("utf-8", "backslashreplace").decode()
