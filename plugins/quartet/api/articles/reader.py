"""Reads of the database in threads of their own, with limits on how many wait and for how long."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

import anyio
from airflow.sdk.exceptions import AirflowNotFoundException
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from include.core.database.engine import open_engine
from quartet.hooks.database import DatabaseHook

log = logging.getLogger(__name__)

T = TypeVar("T")

CONNECTION = "quartet_articles"
STATEMENT_SECONDS = 5
"""Limit of a query on PostgreSQL."""
POSTGRES_LIMITS = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
"""Limits of a connection: seconds to connect, milliseconds until sent data is acknowledged, seconds of silence."""
STATEMENT_TIMEOUT = "statement_timeout"
ANSWER_SECONDS = 8
"""How long a request waits for the database."""
PING_SECONDS = 5
"""How long the health check waits for the database."""
THREADS = 5
"""As many as the engine keeps connections. Airflow's own threads stay free, however slow this database is."""
MAX_WAITING = 100
"""Reads that wait for a thread; further ones are refused."""
FAULTS = (SQLAlchemyError, OSError, AirflowNotFoundException, BotoCoreError, ClientError)
"""Errors of the database, and of the secrets backend that stores its connection."""
UNDEFINED_TABLE, QUERY_CANCELED = "42P01", "57014"


class UnavailableError(Exception):
    """The database cannot be queried."""


class DatabaseReader:
    """
    Reads the database.

    Args:
        next_step: what to do if nothing has ever been written.
    """

    def __init__(self, next_step: str) -> None:
        self._next_step = next_step
        self._threads, self._ping_thread = anyio.CapacityLimiter(THREADS), anyio.CapacityLimiter(1)
        self._reads: set[asyncio.Task[Any]] = set()
        self._ping: tuple[asyncio.Task[None], float] | None = None
        self._opening = threading.Lock()
        self._opened: Engine | None = None
        self._stack = ExitStack()

    async def read(self, read: Callable[..., T], *arguments: Any) -> T:
        """
        Return what a function of the engine and *arguments* returns.

        Raises:
            UnavailableError: it failed, took longer than `ANSWER_SECONDS`, or too many others wait.
        """
        if len(self._reads) >= THREADS + MAX_WAITING:
            raise UnavailableError("the database of recommendations is busy")
        until = time.monotonic() + ANSWER_SECONDS
        task = asyncio.create_task(self._in_thread(self._threads, until, read, *arguments))
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)
        return await _within(ANSWER_SECONDS, task)

    async def ping(self, ping: Callable[[Engine], None]) -> None:
        """
        Query the database, beside all reads; requests at the same time share a query.

        Raises:
            UnavailableError: it failed, or took longer than `PING_SECONDS`.
        """
        if self._ping is None or self._ping[0].done():
            until = time.monotonic() + PING_SECONDS
            self._ping = asyncio.create_task(self._in_thread(self._ping_thread, until, ping)), until
        task, until = self._ping
        await _within(max(until - time.monotonic(), 0), task)

    def close(self) -> None:
        """Close the connections; the next read looks the database's address up again."""
        with self._opening:
            self._opened = None
            self._stack.close()

    async def _in_thread(
        self, threads: anyio.CapacityLimiter, until: float, read: Callable[..., T], *arguments: Any
    ) -> T:
        return await anyio.to_thread.run_sync(self._read_now, until, read, *arguments, limiter=threads)

    def _read_now(self, until: float, read: Callable[..., T], *arguments: Any) -> T:
        if time.monotonic() > until:
            raise UnavailableError("nobody waits for this any more")
        try:
            return read(self._engine(), *arguments)
        except FAULTS as error:
            original = error.orig if isinstance(error, DBAPIError) else error
            log.error("the database of recommendations cannot be read: %s", original)
            if getattr(original, "pgcode", None) == QUERY_CANCELED:
                raise UnavailableError("the database of recommendations took too long") from error
            self.close()
            if isinstance(error, FileNotFoundError) or has_no_tables(original):
                raise UnavailableError(f"there are no recommendations yet: {self._next_step}") from error
            raise UnavailableError("the database of recommendations is not available") from error

    def _engine(self) -> Engine:
        with self._opening:
            if self._opened is None:
                url = with_limits(DatabaseHook(CONNECTION).url)
                self._opened = self._stack.enter_context(open_engine(url, read_only=True))
            return self._opened


async def _within(seconds: float, task: asyncio.Task[T]) -> T:
    """Return the result of a task, which goes on if it takes longer than that: its thread cannot be stopped."""
    task.add_done_callback(_retrieve)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        raise UnavailableError("the database of recommendations does not answer")
    return task.result()


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Retrieve the error of a task, in case nobody waits for it any more."""
    if not task.cancelled():
        task.exception()


def with_limits(url: URL) -> URL:
    """Add limits to the URL of a PostgreSQL server, unless the connection has its own."""
    if url.get_backend_name() != "postgresql":
        return url
    options = " ".join(url.normalized_query.get("options", ()))
    if STATEMENT_TIMEOUT not in options:
        options = f"{options} -c {STATEMENT_TIMEOUT}={STATEMENT_SECONDS * 1000}".strip()
    limits = {name: value for name, value in POSTGRES_LIMITS.items() if name not in url.query}
    return url.update_query_dict({**limits, "options": options})


def has_no_tables(error: Any) -> bool:
    """Return whether a driver's error says that a table does not exist."""
    return getattr(error, "pgcode", None) == UNDEFINED_TABLE or "no such table" in str(error)
