"""What the routes of the articles API ask: rendered results, cached."""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from include.articles.database import serving
from include.articles.database.serving import Order, RecommendationQuery
from include.articles.settings import ArticleSettings
from include.articles.sites.configuration import Site, SitesError, load_sites
from quartet.api.articles.cache import ResponseCache
from quartet.api.articles.metrics import NAME, Metrics, label
from quartet.api.articles.reader import DatabaseReader

log = logging.getLogger(__name__)

NOTHING = b'{"results":[]}'
DEFAULTS_JITTER = (1.0, 30.0)
SITES_SECONDS = 30
"""How long it may take until a site that is new is known."""


class UnknownModelError(LookupError):
    """There is no such model."""

    def __init__(self) -> None:
        super().__init__("RESOURCE DOES NOT EXIST")


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
        self._sites = ResponseCache[frozenset[str]](min(seconds, SITES_SECONDS), len, timer=timer)
        self._configured = _configured_sites(settings)
        self._database = DatabaseReader(f"run the DAG {dag_of(settings.site_name)}")

    async def recommendations(self, query: RecommendationQuery) -> bytes:
        """Return recommendations, or the defaults of the site if there are none."""
        site = label(query.site)

        async def read() -> bytes | None:
            self._metrics.count("total_rec_db_hits", site)
            rows = await self._database.read(serving.recommendations, query)
            return _results(map(_json, rows)) if rows else None

        self._metrics.count("total_rec_requests", site)
        if not await self._is_known(query.site):
            return NOTHING
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

        if "site" in equal and not await self._is_known(equal["site"]):
            return NOTHING

        async def read() -> bytes:
            return _results(map(_json, await self._database.read(serving.models, equal, size, order)))

        return await self._results.get((frozenset(equal.items()), size, order), read) or b""

    async def articles(self, model_id: int, site: str | None) -> bytes:
        """
        Return the articles that a model has recommendations for.

        Raises:
            UnknownModelError: there is no such model of the site.
        """

        if site is not None and not await self._is_known(site):
            raise UnknownModelError

        async def read() -> bytes:
            found = await self._database.read(serving.articles, model_id, site)
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
        await self._database.ping(serving.ping)

    def close(self) -> None:
        """Close the connections to the database."""
        self._database.close()

    async def _is_known(self, site: str) -> bool:
        """Check that a site is configured or has models; what others ask for must not fill the caches."""
        if site in self._configured:
            return True
        return bool(NAME.fullmatch(site)) and site in await self._sites.get(None, self._read_sites)

    async def _read_sites(self) -> frozenset[str]:
        return frozenset(await self._database.read(serving.sites))

    async def _read_defaults(self, site: str) -> list[Default]:
        rows = await self._database.read(serving.defaults, site)
        return [Default(row["recommended_article"]["external_id"], _json(row)) for row in rows]


def _configured_sites(settings: ArticleSettings) -> frozenset[str]:
    try:
        return frozenset(load_sites(settings))
    except SitesError as error:
        log.warning("the sites are those that have models: %s", error)
        return frozenset()


def dag_of(site: str) -> str:
    """Return the id of a site's DAG; the site need not be configured, or no longer."""
    return Site.model_construct(name=label(site)).dag_id


def _json(found: Mapping[str, Any]) -> bytes:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def _results(bodies: Iterable[bytes]) -> bytes:
    return b'{"results":[' + b",".join(bodies) + b"]}"
