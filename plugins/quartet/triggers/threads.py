"""Threads for blocking checks of triggers: a bounded number for each kind, so that a slow kind delays no other."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """
    Threads of their own for one kind of check; they are started when they are needed.

    :param name: prefix of the names of the threads.
    :param count: maximum number of threads.
    """

    def __init__(self, name: str, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, name)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call *function* in a thread, in the caller's context, as `asyncio.to_thread` does in shared ones."""
        call = partial(contextvars.copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)
