"""The cache of responses: how long, how many, and one read for all who wait."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from quartet.api.articles import cache as module
from quartet.api.articles.cache import ResponseCache


class Clock:
    """A timer that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


class Source:
    """Counts how often it is read."""

    def __init__(self, answer: Any = b"answer") -> None:
        self.answer = answer
        self.reads = 0

    async def __call__(self) -> Any:
        """Return the answer, or raise it."""
        self.reads += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def clock() -> Clock:
    """Return a timer at 0."""
    return Clock()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_an_answer_is_kept_for_its_time(clock):
    async def test() -> None:
        cache, source = ResponseCache(900, len, timer=clock), Source()
        for clock.now, reads in ((0, 1), (899.9, 1), (900, 2), (1799, 2), (1801, 3)):
            assert await cache.get("key", source) == b"answer"
            assert source.reads == reads
        await cache.get("another", source)
        assert source.reads == 4

    run(test)


def test_no_answer_is_an_answer(clock):
    async def test() -> None:
        cache, source = ResponseCache(900, lambda _: 0, timer=clock), Source(None)
        assert [await cache.get("key", source) for _ in range(3)] == [None] * 3
        assert source.reads == 1

    run(test)


def test_jitter_lengthens_the_time_within_bounds(clock):
    async def test() -> None:
        cache = ResponseCache(900, len, (1, 30), clock)
        sources = [Source() for _ in range(200)]
        kept = []
        for clock.now in (0, 900.5, 915, 930.5):
            for key, source in enumerate(sources):
                await cache.get(key, source)
            kept.append(sum(source.reads == 1 for source in sources))
        assert kept[:2] == [200, 200]
        assert 0 < kept[2] < 200
        assert kept[3] == 0

    run(test)


def test_nothing_is_kept_for_no_time():
    async def test() -> None:
        for cache in (ResponseCache(0, len), ResponseCache(0, len, (1, 30))):
            source = Source()
            for _ in range(3):
                await cache.get("key", source)
            assert source.reads == 3

    run(test)


def test_an_error_is_not_kept(clock):
    async def test() -> None:
        cache, source = ResponseCache(900, len, timer=clock), Source(OSError("gone"))
        for _ in range(2):
            with pytest.raises(OSError, match="gone"):
                await cache.get("key", source)
        source.answer = b"back"
        assert await cache.get("key", source) == b"back"
        assert source.reads == 3

    run(test)


@pytest.mark.parametrize(("size", "kept"), [(1, 4), (25, 4), (50, 2), (100, 1), (101, 0)])
def test_entries_and_bytes_are_bounded(monkeypatch, size, kept):
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    monkeypatch.setattr(module, "MAX_ENTRIES", 4)

    async def test() -> None:
        cache, source = ResponseCache(900, len), Source(b"x" * size)
        for key in range(10):
            assert len(await cache.get(key, source)) == size
        for key in range(9, -1, -1):  # the newest first: a miss puts nothing in place of a hit that is still to come
            before = source.reads
            await cache.get(key, source)
            if source.reads > before:
                assert 9 - key == kept
                return

    run(test)


def test_those_who_ask_at_the_same_time_wait_for_one_reading():
    async def test() -> None:
        cache, source = ResponseCache(900, len), Source()
        answers = await asyncio.gather(*[cache.get("key", source) for _ in range(20)])
        assert answers == [b"answer"] * 20
        assert source.reads == 1

    run(test)


def test_they_get_the_same_error():
    async def test() -> None:
        cache, source = ResponseCache(900, len), Source(OSError("gone"))
        answers = await asyncio.gather(*[cache.get("key", source) for _ in range(5)], return_exceptions=True)
        assert all(isinstance(answer, OSError) for answer in answers)
        assert source.reads == 1

    run(test)


@pytest.mark.parametrize("answer", [b"answer", OSError("gone")])
def test_a_client_that_goes_away_takes_nothing_from_the_others(answer):
    async def test() -> None:
        cache, source = ResponseCache(900, len), Source(answer)
        first = asyncio.create_task(_caught(cache.get("key", source)))
        await asyncio.sleep(0)
        second = asyncio.create_task(_caught(cache.get("key", source)))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second in (answer, repr(answer))
        assert source.reads == 1

    run(test)


async def _caught(waiting: Awaitable[Any]) -> Any:
    try:
        return await waiting
    except OSError as error:
        return repr(error)
