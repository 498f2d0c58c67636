"""What the articles API does behind its routes: reads in threads of its own, keeps rendered answers."""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
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
from quartet.api.articles.cache import AnswerCache
from quartet.api.articles.metrics import Metrics, label
from quartet.api.articles.schemas import NO_RESOURCE, RefusedError, UnavailableError
from quartet.hooks.database import DatabaseHook

log = logging.getLogger(__name__)

T = TypeVar("T")

CONNECTION = "quartet_articles"
PATIENCE = {"connect_timeout": "10", "tcp_user_timeout": "10000"}
"""How long PostgreSQL may take to be connected, in seconds, and to confirm what it is sent, in milliseconds."""
THREADS = 5
"""As many as the engine keeps connections. Airflow's own threads stay free, however slow this database is."""
DEFAULTS_JITTER = (1.0, 30.0)
FAULTS = (SQLAlchemyError, OSError, AirflowNotFoundException, BotoCoreError, ClientError)
"""Of the database, and of what keeps its connection."""
UNDEFINED_TABLE = "42P01"


@dataclass(frozen=True)
class Default:
    """A rendered recommendation of the site as a whole."""

    external_id: str
    body: bytes


class Desk:
    """
    Answers what the routes are asked, in JSON.

    Args:
        settings: how long answers are kept, the site whose DAG a message names.
        metrics: takes the figures.
        timer: gives the seconds that have passed.
    """

    def __init__(
        self, settings: ArticleSettings, metrics: Metrics, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        seconds = settings.cache_seconds
        self._answers = AnswerCache[bytes | None](seconds, lambda body: len(body or b""), timer=timer)
        self._defaults = AnswerCache[list[Default]](
            seconds, lambda found: sum(len(each.body) for each in found), DEFAULTS_JITTER, timer
        )
        self._threads = anyio.CapacityLimiter(THREADS)
        self._opening = threading.Lock()
        self._opened: Engine | None = None
        self._stack = ExitStack()

    async def recommendations(self, wanted: RecommendationQuery) -> bytes:
        """Give recommendations; where there are none, the defaults of the site."""
        site = label(wanted.site)

        async def read() -> bytes | None:
            self._metrics.count("total_rec_db_hits", site)
            rows = await self._read(serving.recommendations, wanted)
            return _results(map(_json, rows)) if rows else None

        self._metrics.count("total_rec_requests", site)
        # That there are none is kept, not the defaults in their place: those would be kept twice as long.
        if (body := await self._answers.get(wanted, read)) is not None:
            return body
        self._metrics.count("total_default_recs_served", site)
        left_out = wanted.exclude | {wanted.source}
        found = await self._defaults.get(wanted.site, lambda: self._read_defaults(wanted.site))
        chosen = (each.body for each in found if each.external_id not in left_out)
        return _results(islice(chosen, wanted.size))

    async def models(self, equal: Mapping[str, str], size: int, order: Order) -> bytes:
        """Give models whose columns are equal to values."""

        async def read() -> bytes:
            return _results(map(_json, await self._read(serving.models, equal, size, order)))

        return await self._answers.get((frozenset(equal.items()), size, order), read) or b""

    async def articles(self, model_id: int, site: str | None) -> bytes:
        """Give the articles of a model; raises `RefusedError` with 404."""

        async def read() -> bytes:
            found = await self._read(serving.articles, model_id, site)
            if found is None:
                raise RefusedError(404, NO_RESOURCE)
            return _results(map(_json, found))

        return await self._answers.get((model_id, site), read) or b""

    async def ping(self) -> None:
        """Raise `UnavailableError` if the database cannot be queried."""
        await self._read(serving.ping)

    def close(self) -> None:
        """Close the connections; the next who reads looks up anew where the database is."""
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
                next_step = f"run the DAG {dag_of(self._settings.site_name)}"
                raise UnavailableError(f"there are no recommendations yet: {next_step}") from error
            raise UnavailableError("the database of recommendations is not available") from error

    def _engine(self) -> Engine:
        with self._opening:
            if self._opened is None:
                url = _bounded(DatabaseHook(CONNECTION).url)
                self._opened = self._stack.enter_context(open_engine(url, read_only=True))
            return self._opened


def dag_of(site: str) -> str:
    """Name the DAG of a site, which need not be configured (any more)."""
    return Site.model_construct(name=label(site)).dag_id


def _bounded(url: URL) -> URL:
    """Give up on a server that is gone after `PATIENCE`, unless the connection has its own."""
    if url.get_backend_name() != "postgresql":
        return url
    return url.update_query_dict({name: value for name, value in PATIENCE.items() if name not in url.query})


def _has_no_tables(error: Any) -> bool:
    return getattr(error, "pgcode", None) == UNDEFINED_TABLE or "no such table" in str(error)


def _json(found: Mapping[str, Any]) -> bytes:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def _results(bodies: Any) -> bytes:
    return b'{"results":[' + b",".join(bodies) + b"]}"
