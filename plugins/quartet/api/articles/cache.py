"""A bounded cache of an app's answers, and one reading for all who ask for the same at the same time."""

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
_NOTHING = object()


class AnswerCache(Generic[T]):
    """
    Keeps answers for a time, those used last, within `MAX_ENTRIES` and `MAX_BYTES`; an error is not kept.

    It belongs to one event loop, so it needs no lock.

    Args:
        seconds: how long an answer is kept; 0: not at all.
        weigh: gives the size of an answer in bytes.
        jitter_seconds: at most so much longer, at random, so that several servers do not all read at once.
        timer: gives the seconds that have passed.
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

        # what an answer weighs at least keeps the number of them within bounds, too
        self._kept = TLRUCache(MAX_BYTES, until, timer, lambda answer: max(weigh(answer), MAX_BYTES // MAX_ENTRIES))
        self._running: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Give what is kept for *key*; else what *make* gives, which is asked once however many wait for it."""
        kept: Any = self._kept.get(key, _NOTHING)
        if kept is not _NOTHING:
            return kept
        if (running := self._running.get(key)) is None:
            running = self._running[key] = asyncio.create_task(self._make(key, make))
            running.add_done_callback(lambda task: self._done(key, task))
        return await asyncio.shield(running)  # a client that goes away takes no answer from the others

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        answer = await make()
        with suppress(ValueError):  # larger than the whole cache
            self._kept[key] = answer
        return answer

    def _done(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # nobody may be left who hears of it
