"""A bounded cache of an app's responses, with a single read for concurrent requests of the same."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from cachetools import TLRUCache

T = TypeVar("T")

MAX_ENTRIES = 2_048
MAX_BYTES = MAX_ENTRIES * 50_000
ONCE_SHARE = 0.2
"""Share of the entries that those requested only once may always have."""
_MISSING = object()


class _Entries(TLRUCache):
    """Entries of which those requested only once go first, so that no client drives out what others share."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._once: dict[Hashable, None] = {}  # in the order of requests; may have keys that have expired

    def __setitem__(self, key: Hashable, value: Any) -> None:
        super().__setitem__(key, value)
        self._once[key] = None
        while self._once and (oldest := next(iter(self._once))) not in self:
            del self._once[oldest]

    def requested_again(self, key: Hashable) -> None:
        """Keep an entry like all that were requested more than once."""
        self._once.pop(key, None)

    def popitem(self) -> tuple[Hashable, Any]:
        """Remove the oldest entry requested once; the least recently used, if there are few of those."""
        while len(self._once) > len(self) * ONCE_SHARE:
            key = next(iter(self._once))
            del self._once[key]
            if key in self:
                return key, self.pop(key)
        return super().popitem()


class ResponseCache(Generic[T]):
    """
    Keeps responses for a time, within `MAX_ENTRIES` and `MAX_BYTES`; errors are not kept.

    Those requested several times stay longest, of these the most recently used.

    It belongs to one event loop, so it needs no lock.

    Args:
        seconds: how long a response is kept; 0: not at all.
        weigh: returns the size of a response in bytes.
        jitter_seconds: range of a random extension, so that several servers do not read at the same time.
        timer: returns seconds.
    """

    def __init__(
        self,
        seconds: float,
        weigh: Callable[[T], int],
        jitter_seconds: tuple[float, float] = (0, 0),
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        def until(_: Hashable, __: T, now: float) -> float:
            return now + (seconds and seconds + random.uniform(*jitter_seconds))

        # a minimum weight limits the number of entries, too
        self._kept = _Entries(MAX_BYTES, until, timer, lambda found: max(weigh(found), MAX_BYTES // MAX_ENTRIES))
        self._running: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """Return the cached response for *key*, or the result of *read*, called once for all who wait for it."""
        kept: Any = self._kept.get(key, _MISSING)
        if kept is not _MISSING:
            self._kept.requested_again(key)
            return kept
        if (running := self._running.get(key)) is None:
            running = self._running[key] = asyncio.create_task(self._read(key, read))
            running.add_done_callback(lambda task: self._done(key, task))
        return await asyncio.shield(running)  # a client that disconnects must not cancel the read for others

    async def _read(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        found = await read()
        with suppress(ValueError):  # larger than the whole cache
            self._kept[key] = found
        return found

    def _done(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # retrieved, in case all clients have disconnected
