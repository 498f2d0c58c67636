"""The articles API: what to read after an article, and the defaults of a site.

Mounted at `/articles`; interactive documentation at `/articles/docs`. It is read-only. Responses are cached for
ARTICLES_CACHE_SECONDS, so a new model becomes visible with that delay. An error is an object with `message`. Pages of
any site may read the responses; ARTICLES_PUBLIC decides whether their readers must be users of Airflow.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from include.articles.settings import ArticleSettings
from quartet.api.articles.errors import documented, install_error_handlers
from quartet.api.articles.metrics import Metrics
from quartet.api.articles.middleware import ArticlesMiddleware
from quartet.api.articles.routes import router
from quartet.api.articles.service import RecommendationService, dag_of
from quartet.api.common.auth import PUBLIC, may_read_chosen
from quartet.api.common.browser import PagesForBrowsers
from quartet.api.common.docs import documented_app

PAGES = {r"/recs": "/articles/recs", r"/models": "/articles/"}
"""Address of the API → page that shows the same."""


def create_app(timer: Callable[[], float] = time.monotonic) -> FastAPI:
    """Build the app; settings are read now, the database is opened by the first request."""
    settings = ArticleSettings.load()
    metrics = Metrics(timer)
    service = RecommendationService(settings, metrics, timer)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()
        metrics.flush()

    app = documented_app(
        "article recommendations",
        __doc__,
        redirect_slashes=False,
        lifespan=lifespan,
        responses={} if settings.public else documented(401, 403),
    )
    app.state.service = service
    app.add_middleware(ArticlesMiddleware, metrics=metrics)
    install_error_handlers(app)
    app.include_router(router, dependencies=[_guard(settings)])
    app.add_middleware(PagesForBrowsers, pages=PAGES)
    return app


def _guard(settings: ArticleSettings) -> Any:
    if settings.public:
        return PUBLIC
    site = settings.site_name
    return may_read_chosen(dag_of(site), lambda request: dag_of(request.query_params.get("site", site)))
