"""Wait for objects to arrive: the event trigger behind the asset watchers.

DAG files import this module, so nothing heavy is imported at its top.
"""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from quartet.triggers.reported import KEYS, Reported

if TYPE_CHECKING:
    from quartet.triggers.listing import Lister

NAMES_IN_EVENT = 100
SAVE_AFTER_SECONDS = 5.0
"""Age of a report when it is remembered: Airflow has stored the event by then (it takes about a second)."""
LONGEST_WAIT_SECONDS = 30.0
REST = 5
"""A look is followed by a rest of at least this many times its own duration."""


class ArrivalTrigger(BaseEventTrigger):
    """
    Report the objects that are new or replaced directly below a prefix, at least once each, across restarts.

    For an `AssetWatcher`; the assets of two watchers need different arguments, or Airflow makes one trigger of them.
    The event says `{"files": [first 100 names], "count": of all}`: a call to look, not a list to work off.

    :param prefix: folder below the platform's storage root, such as `ratings/training`.
    :param poll_seconds: between two looks.
    :param settle_seconds: how long an object without a newline at its end has to stay unchanged; 0: not at all.
    """

    def __init__(self, prefix: str, poll_seconds: float = 0.5, settle_seconds: float = 2.0) -> None:
        super().__init__()
        self.prefix = prefix
        self.poll_seconds = poll_seconds
        self.settle_seconds = settle_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what Airflow makes the trigger anew from."""
        arguments = {
            "prefix": self.prefix,
            "poll_seconds": self.poll_seconds,
            "settle_seconds": self.settle_seconds,
        }
        return "quartet.triggers.arrival.ArrivalTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look for ever; an event for each look that finds something."""
        from quartet.triggers.listing import Lister

        lister = Lister(self.prefix, self.settle_seconds)
        reported = await self._load()
        next_save, failures = 0.0, 0
        while True:
            started = monotonic()
            try:
                new = await asyncio.to_thread(self._look, lister, reported)
            except Exception as error:
                failures += 1
                if failures == 1:
                    self.log.warning("%s cannot be looked at, trying again: %r", lister, error)
                await asyncio.sleep(self._backoff(failures))
                continue
            if failures:
                self.log.info("%s can be looked at again, after %d failed tries", lister, failures)
                failures = 0
            if new:
                self.log.info("%s: %d new, the first is %r", lister, len(new), new[0])
                yield TriggerEvent({"files": [printable(name) for name in new[:NAMES_IN_EVENT]], "count": len(new)})
                reported.add(new, monotonic())
            if monotonic() >= next_save:
                await self._save(reported)
                next_save = monotonic() + SAVE_AFTER_SECONDS
            await asyncio.sleep(max(self.poll_seconds, REST * (monotonic() - started)))

    @staticmethod
    def _look(lister: "Lister", reported: Reported) -> list[str]:
        there = lister.look()
        return [name for name in reported.unreported(there) if lister.is_settled(there[name])]

    def _backoff(self, failures: int) -> float:
        return min(LONGEST_WAIT_SECONDS, self.poll_seconds * 2 ** min(failures, 16))

    async def _load(self) -> Reported:
        store = self.asset_state_store
        if store is None:
            self.log.warning("%s: no asset, so nothing is remembered over a restart", self.prefix)
            return Reported({})
        failures = 0
        while True:
            try:
                return Reported({key: await store.aget(key) for key in KEYS})
            except Exception as error:
                failures += 1
                if failures == 1:
                    self.log.warning("%s: what was reported cannot be read, trying again: %r", self.prefix, error)
                await asyncio.sleep(self._backoff(failures))

    async def _save(self, reported: Reported) -> None:
        if (store := self.asset_state_store) is None:
            return
        values = await asyncio.to_thread(reported.unsaved, monotonic() - SAVE_AFTER_SECONDS)
        try:
            for key, value in values.items():
                await store.aset(key, value)
                reported.saved(key, value)
        except Exception as error:
            self.log.warning("%s: what was reported cannot be saved, trying again: %r", self.prefix, error)


def printable(name: str) -> str:
    """Give *name* with the bytes that are not UTF-8 escaped: an event that cannot be encoded would end the trigger."""
    return name.encode("utf-8", "backslashreplace").decode()
