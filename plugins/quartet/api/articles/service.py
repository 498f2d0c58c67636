"""What the routes of the articles API ask: rendered results, read in threads of their own and cached."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import anyio
from airflow.sdk.exceptions import AirflowNotFoundException
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from include.articles.database import serving
from include.articles.database.serving import Order, RecommendationQuery
from include.articles.settings import ArticleSettings
from include.articles.sites.configuration import Site
from include.core.database.engine import open_engine
from quartet.api.articles.cache import ResponseCache
from quartet.api.articles.metrics import Metrics, label
from quartet.hooks.database import DatabaseHook

log = logging.getLogger(__name__)

T = TypeVar("T")

CONNECTION = "quartet_articles"
POSTGRES_LIMITS = {"connect_timeout": "10", "tcp_user_timeout": "10000"}
"""Limits of a connection: seconds to connect, milliseconds until sent data is acknowledged."""
THREADS = 5
"""As many as the engine keeps connections. Airflow's own threads stay free, however slow this database is."""
DEFAULTS_JITTER = (1.0, 30.0)
FAULTS = (SQLAlchemyError, OSError, AirflowNotFoundException, BotoCoreError, ClientError)
"""Errors of the database, and of the secrets backend that stores its connection."""
UNDEFINED_TABLE = "42P01"


class UnknownModelError(LookupError):
    """There is no such model."""

    def __init__(self) -> None:
        super().__init__("RESOURCE DOES NOT EXIST")


class UnavailableError(Exception):
    """The database cannot be queried."""


@dataclass(frozen=True)
class Default:
    """A rendered recommendation of the site as a whole."""

    external_id: str
    body: bytes


class RecommendationService:
    """
    Returns results as JSON.

    Args:
        settings: how long results are cached; the site whose DAG a message names.
        metrics: counts requests.
        timer: returns seconds.
    """

    def __init__(
        self, settings: ArticleSettings, metrics: Metrics, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self._metrics = metrics
        seconds = settings.cache_seconds
        self._results = ResponseCache[bytes | None](seconds, lambda body: len(body or b""), timer=timer)
        self._defaults = ResponseCache[list[Default]](
            seconds, lambda found: sum(len(each.body) for each in found), DEFAULTS_JITTER, timer
        )
        self._threads = anyio.CapacityLimiter(THREADS)
        self._opening = threading.Lock()
        self._opened: Engine | None = None
        self._stack = ExitStack()

    async def recommendations(self, query: RecommendationQuery) -> bytes:
        """Return recommendations, or the defaults of the site if there are none."""
        site = label(query.site)

        async def read() -> bytes | None:
            self._metrics.count("total_rec_db_hits", site)
            rows = await self._read(serving.recommendations, query)
            return _results(map(_json, rows)) if rows else None

        self._metrics.count("total_rec_requests", site)
        # an empty result is cached, not the defaults in its place: those would be kept twice as long
        if (body := await self._results.get(query, read)) is not None:
            return body
        self._metrics.count("total_default_recs_served", site)
        excluded = query.exclude | {query.source}
        found = await self._defaults.get(query.site, lambda: self._read_defaults(query.site))
        chosen = (each.body for each in found if each.external_id not in excluded)
        return _results(islice(chosen, query.size))

    async def models(self, equal: Mapping[str, str], size: int, order: Order) -> bytes:
        """Return the models whose columns have the given values."""

        async def read() -> bytes:
            return _results(map(_json, await self._read(serving.models, equal, size, order)))

        return await self._results.get((frozenset(equal.items()), size, order), read) or b""

    async def articles(self, model_id: int, site: str | None) -> bytes:
        """
        Return the articles that a model has recommendations for.

        Raises:
            UnknownModelError: there is no such model of the site.
        """

        async def read() -> bytes:
            found = await self._read(serving.articles, model_id, site)
            if found is None:
                raise UnknownModelError
            return _results(map(_json, found))

        return await self._results.get((model_id, site), read) or b""

    async def ping(self) -> None:
        """
        Query the database.

        Raises:
            UnavailableError: that failed.
        """
        await self._read(serving.ping)

    def close(self) -> None:
        """Close the connections; the next read looks the database's address up again."""
        with self._opening:
            self._opened = None
            self._stack.close()

    async def _read_defaults(self, site: str) -> list[Default]:
        rows = await self._read(serving.defaults, site)
        return [Default(row["recommended_article"]["external_id"], _json(row)) for row in rows]

    async def _read(self, read: Callable[..., T], *arguments: Any) -> T:
        return await anyio.to_thread.run_sync(self._read_now, read, *arguments, limiter=self._threads)

    def _read_now(self, read: Callable[..., T], *arguments: Any) -> T:
        try:
            return read(self._engine(), *arguments)
        except FAULTS as error:
            self.close()
            original = error.orig if isinstance(error, DBAPIError) else error
            log.error("the database of recommendations cannot be read: %s", original)
            if isinstance(error, FileNotFoundError) or _has_no_tables(original):
                next_step = f"run the DAG {dag_of(self.settings.site_name)}"
                raise UnavailableError(f"there are no recommendations yet: {next_step}") from error
            raise UnavailableError("the database of recommendations is not available") from error

    def _engine(self) -> Engine:
        with self._opening:
            if self._opened is None:
                url = _with_limits(DatabaseHook(CONNECTION).url)
                self._opened = self._stack.enter_context(open_engine(url, read_only=True))
            return self._opened


def dag_of(site: str) -> str:
    """Return the id of a site's DAG; the site need not be configured, or no longer."""
    return Site.model_construct(name=label(site)).dag_id


def _with_limits(url: URL) -> URL:
    """Add `POSTGRES_LIMITS` to the URL of a PostgreSQL server, unless the connection has its own."""
    if url.get_backend_name() != "postgresql":
        return url
    return url.update_query_dict({name: value for name, value in POSTGRES_LIMITS.items() if name not in url.query})


def _has_no_tables(error: Any) -> bool:
    return getattr(error, "pgcode", None) == UNDEFINED_TABLE or "no such table" in str(error)


def _json(found: Mapping[str, Any]) -> bytes:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def _results(bodies: Iterable[bytes]) -> bytes:
    return b'{"results":[' + b",".join(bodies) + b"]}"
