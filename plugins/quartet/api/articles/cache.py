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
_MISSING = object()


class ResponseCache(Generic[T]):
    """
    Keeps responses for a time, the most recently used, within `MAX_ENTRIES` and `MAX_BYTES`; errors are not kept.

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
        self._kept = TLRUCache(MAX_BYTES, until, timer, lambda found: max(weigh(found), MAX_BYTES // MAX_ENTRIES))
        self._running: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """Return the cached response for *key*, or the result of *read*, called once for all who wait for it."""
        kept: Any = self._kept.get(key, _MISSING)
        if kept is not _MISSING:
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
