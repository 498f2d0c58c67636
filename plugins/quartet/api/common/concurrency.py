"""Bound on the requests of one app that are worked on at a time.

All plain functions of Airflow's API server, ours included, run in one pool of 40 threads. Without a bound, an app whose
database or storage hangs would take all of them, and Airflow itself would stop answering.
"""

from collections.abc import AsyncIterator
from typing import Any

import anyio
from fastapi import Depends, HTTPException

from quartet.api.common.errors import RETRY_LATER


class RequestSlots:
    """
    FastAPI dependency that lets a few requests in and keeps the others waiting.

    Args:
        slots: requests at a time. All apps together must leave some of the server's threads to Airflow.
        max_waiting: number of waiting requests beyond which a request is rejected at once.
        max_seconds: time that a request waits for a slot.
    """

    def __init__(self, slots: int = 8, max_waiting: int = 200, max_seconds: float = 20) -> None:
        self.slots = slots
        self.max_waiting = max_waiting
        self.max_seconds = max_seconds
        self._limiter = anyio.CapacityLimiter(slots)

    async def __call__(self) -> AsyncIterator[None]:
        """
        Hold a slot.

        Raises:
            HTTPException: 503; too many requests are waiting, or this one has waited too long.
        """
        request = object()
        if self._limiter.statistics().tasks_waiting >= self.max_waiting:
            raise self._busy()
        try:
            with anyio.fail_after(self.max_seconds):
                await self._limiter.acquire_on_behalf_of(request)
        except TimeoutError:
            raise self._busy() from None
        try:
            yield
        finally:
            self._limiter.release_on_behalf_of(request)

    @staticmethod
    def _busy() -> HTTPException:
        return HTTPException(
            503,
            "too many requests are being worked on, perhaps because a database or the storage is slow; try again later",
            RETRY_LATER,
        )


def limited(slots: int = 8) -> Any:
    """
    Return the dependency of an app that limits its requests, to be its first.

    A request has a slot neither while its body is received nor while its response is sent, so slow clients hold none.

    Args:
        slots: requests at a time.
    """
    return Depends(RequestSlots(slots), scope="function")
