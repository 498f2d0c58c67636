"""The event trigger behind the asset watchers, which reports the objects that arrive.

DAG files import this module, so nothing heavy is imported at its top.
"""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from include.core.text import printable
from quartet.triggers.failures import FailureLog
from quartet.triggers.leftover import LeftoverReports
from quartet.triggers.reported import KEYS, Reported
from quartet.triggers.threads import Threads

if TYPE_CHECKING:
    from quartet.triggers.watched import Watched

THREADS = Threads("arrival", 4)
"""All watchers share them, and nothing else does."""
NAMES_IN_EVENT = 100
SAVE_AFTER_SECONDS = 5.0
"""Age of a report when it is saved: Airflow has stored the event by then, which takes about a second."""
MAX_BACKOFF_SECONDS = 30.0
MIN_REST = 3
"""Sleep at least this many times as long as the last check took, so that a huge folder does not occupy a whole core."""


class ArrivalTrigger(BaseEventTrigger):
    """
    Reports new and replaced objects, directly below a prefix or at one address: each at least once, across restarts.

    For an `AssetWatcher`; two watchers need different arguments, or Airflow makes one trigger of them. The event is
    `{"files": [the first 100 names], "count": of all}`: a reason to list the storage, not a list of work. Work that
    failed runs have left over is reported again, every few minutes at first, then ever more rarely.

    :param prefix: folder below the platform's storage root, such as `ratings/training`.
    :param url: instead of a prefix, one file: `http(s)://…`, `s3://…`, `file:///…`, or a path below the storage root.
    :param poll_seconds: seconds between checks.
    :param settle_seconds: how long a file without a newline at its end has to stay unchanged; 0: not at all.
    :param leftover: dotted name of a function that finds leftover work, see `LeftoverReports`; empty: none is reported.
    :raises ValueError: not exactly one of prefix and URL is given.
    """

    def __init__(
        self,
        prefix: str = "",
        *,
        url: str = "",
        poll_seconds: float = 0.5,
        settle_seconds: float = 2.0,
        leftover: str = "",
    ) -> None:
        super().__init__()
        if bool(prefix) == bool(url):
            raise ValueError(f"either a prefix or a URL was expected, found prefix {prefix!r} and URL {url!r}")
        self.prefix = prefix
        self.url = url
        self.poll_seconds = poll_seconds
        self.settle_seconds = settle_seconds
        self.leftover = leftover

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments from which Airflow recreates the trigger."""
        names = ("prefix", "url", "poll_seconds", "settle_seconds", "leftover")
        return "quartet.triggers.arrival.ArrivalTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Check forever, and yield an event after each check that finds something."""
        watched = await THREADS.run(_open_watched, self.prefix, self.url, self.settle_seconds)
        reported = await self._load(str(watched))
        looking, saving = FailureLog(f"looking at {watched}"), FailureLog(f"saving the reports of {watched}")
        leftover, checking = LeftoverReports(self.leftover, monotonic()), FailureLog(f"finding leftovers of {watched}")
        next_save = 0.0
        while True:
            started = monotonic()
            try:
                new = await THREADS.run(_unreported, watched, reported)
            except Exception as error:
                looking.note(error)
                await asyncio.sleep(self._backoff(looking.failures))
                continue
            looking.end()
            took = monotonic() - started
            if new:
                self.log.info("%s: %d new, the first is %r", watched, len(new), new[0])
                yield _event(new)
                reported.add(new, monotonic())
            if left := await self._left(leftover, checking):
                self.log.warning("%s: %d left over, the first is %r: a run is started", watched, len(left), left[0])
                yield _event(left)
            if monotonic() >= next_save:
                await self._save(reported, saving)
                next_save = monotonic() + SAVE_AFTER_SECONDS
            await asyncio.sleep(max(self.poll_seconds, MIN_REST * took))

    async def _left(self, leftover: LeftoverReports, checking: FailureLog) -> list[str]:
        if not leftover.is_due(monotonic()):
            return []
        try:
            found = await asyncio.to_thread(leftover.look)
        except Exception as error:
            checking.note(error)
            return []
        checking.end()
        return leftover.to_report(found, monotonic())

    def _backoff(self, failures: int) -> float:
        return min(MAX_BACKOFF_SECONDS, self.poll_seconds * 2 ** min(failures, 16))

    async def _load(self, place: str) -> Reported:
        store = self.asset_state_store
        if store is None:
            self.log.warning("%s belongs to no asset: its reports are not kept over a restart", place)
            return Reported({})
        loading = FailureLog(f"reading the reports of {place}")
        while True:
            try:
                return Reported({key: await store.aget(key) for key in KEYS})
            except ValueError as error:  # not exactly one asset: another try does not help
                self.log.error("%s: its reports are not kept over a restart: %s", place, error)
                self.asset_state_store = None
                return Reported({})
            except Exception as error:
                loading.note(error)
                await asyncio.sleep(self._backoff(loading.failures))

    async def _save(self, reported: Reported, saving: FailureLog) -> None:
        if (store := self.asset_state_store) is None:
            return
        values = await THREADS.run(reported.unsaved, monotonic() - SAVE_AFTER_SECONDS)
        try:
            for key, value in values.items():
                await store.aset(key, value)
                reported.saved(key, value)
        except Exception as error:
            saving.note(error)
        else:
            saving.end()


def _event(names: list[str]) -> TriggerEvent:
    return TriggerEvent({"files": [printable(name) for name in names[:NAMES_IN_EVENT]], "count": len(names)})


def _open_watched(prefix: str, url: str, settle_seconds: float) -> "Watched":
    from quartet.triggers.watched import open_watched  # slow: not in the event loop, which all triggers share

    return open_watched(prefix, url, settle_seconds)


def _unreported(watched: "Watched", reported: Reported) -> list[str]:
    there = watched.look()
    return [name for name in reported.unreported(there) if watched.is_settled(there[name])]
