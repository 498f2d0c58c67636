"""The articles API: what to read after an article, and what a site recommends to everybody.

Mounted at `/articles`; interactive documentation at `/articles/docs`. It only reads. An answer is kept for
ARTICLES_CACHE_SECONDS, so a new model is seen that much later. An error is an object with `message`. Pages of any site
may read the answers; ARTICLES_PUBLIC says whether their readers have to be users of Airflow.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from include.articles.database.tables import MODEL
from include.articles.settings import ArticleSettings
from quartet.api.articles import dependencies as parameters
from quartet.api.articles.metrics import Metrics, label
from quartet.api.articles.middleware import Door
from quartet.api.articles.schemas import (
    NO_RESOURCE,
    Articles,
    Models,
    Recommendations,
    RefusedError,
    UnavailableError,
    documented,
    install,
    refusal,
)
from quartet.api.articles.service import Desk, dag_of
from quartet.api.common.auth import PUBLIC, may_read_chosen
from quartet.api.common.docs import documented_app

BROWSER_SECONDS = 60
"""How long a browser may keep an answer; pages are reloaded."""


def create_app(timer: Callable[[], float] = time.monotonic) -> FastAPI:
    """Make the app; settings are read now, the database is opened with the first question."""
    settings = ArticleSettings.load()
    metrics = Metrics(timer)
    desk = Desk(settings, metrics, timer)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        desk.close()
        metrics.flush()

    app = documented_app(
        "article recommendations",
        __doc__,
        redirect_slashes=False,
        lifespan=lifespan,
        responses={} if settings.public else documented(401, 403),
    )
    app.add_middleware(Door, metrics=metrics)
    install(app)
    guard: dict[str, Any] = {"dependencies": [_guard(settings)]}
    _watching(app, desk, guard)
    _recommending(app, desk, settings, guard)
    _looking(app, desk, settings, guard)
    return app


def _guard(settings: ArticleSettings) -> Any:
    if settings.public:
        return PUBLIC
    site = settings.site_name
    return may_read_chosen(dag_of(site), lambda request: dag_of(request.query_params.get("site", site)))


def _watching(app: FastAPI, desk: Desk, guard: dict[str, Any]) -> None:
    @app.get("/", **guard, response_class=PlainTextResponse, responses=documented(500), include_in_schema=False)
    @app.get("/health", **guard, response_class=PlainTextResponse, responses=documented(500))
    async def health() -> Response:
        """Answer `OK` if the database can be queried."""
        try:
            await desk.ping()
        except UnavailableError as error:
            return refusal(500, error.message)
        return PlainTextResponse("OK", headers={"Cache-Control": "no-store"})


def _recommending(app: FastAPI, desk: Desk, settings: ArticleSettings, guard: dict[str, Any]) -> None:
    @app.get("/recs", **guard, **_described(Recommendations, parameters.RECOMMENDATIONS))
    async def recs(request: Request) -> Response:
        """
        List recommendations, by rank if nothing else is asked for.

        Where there are none, as for an article that is new, they are what the site recommends to everybody, highest
        score first, without what is excluded and the article itself.
        """
        site = _site(request, settings.site_name) or ""
        return _answer(settings, await desk.recommendations(parameters.wanted(request.query_params, site)))


def _looking(app: FastAPI, desk: Desk, settings: ArticleSettings, guard: dict[str, Any]) -> None:
    usual = None if settings.public else settings.site_name  # a guard has looked at one site only

    @app.get("/models", **guard, **_described(Models, parameters.MODELS))
    async def models(request: Request) -> Response:
        """List models, newest first if nothing else is asked for."""
        query = request.query_params
        equal = {name: query[name] for name in ("type", "status") if name in query}
        if (site := _site(request, usual)) is not None:
            equal["site"] = site
        found = await desk.models(equal, parameters.size(query), parameters.order(query, MODEL))
        return _answer(settings, found)

    @app.get("/models/{model_id}/articles", **guard, **_described(Articles, parameters.ARTICLES, 404))
    async def articles(request: Request) -> Response:
        """List articles that a model has recommendations for, newest publication first; 500 at most."""
        model_id = parameters.integer(request.path_params["model_id"])
        if model_id is None:
            raise RefusedError(404, NO_RESOURCE)
        return _answer(settings, await desk.articles(model_id, _site(request, usual)))


def _described(answer: type, taken: list[dict[str, Any]], *statuses: int) -> dict[str, Any]:
    responses = {200: {"model": answer}, **documented(400, *statuses, 414, 503)}
    return {"responses": responses, "openapi_extra": {"parameters": taken}}


def _answer(settings: ArticleSettings, body: bytes) -> Response:
    seconds = int(min(BROWSER_SECONDS, settings.cache_seconds))
    scope = "public" if settings.public else "private"
    return Response(body, media_type="application/json", headers={"Cache-Control": f"{scope}, max-age={seconds}"})


def _site(request: Request, usual: str | None) -> str | None:
    """Read which site is asked for, and leave it for the figures."""
    site = request.query_params.get("site", usual)
    if site is not None:
        request.state.site = label(site)
    return site
