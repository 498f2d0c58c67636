"""The routes of the articles API."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response

from include.articles.database.tables import MODEL
from quartet.api.articles import dependencies as parameters
from quartet.api.articles.errors import documented, error_response
from quartet.api.articles.metrics import label
from quartet.api.articles.reader import UnavailableError
from quartet.api.articles.schemas import Articles, Models, Recommendations
from quartet.api.articles.service import RecommendationService, UnknownModelError

BROWSER_SECONDS = 60
"""How long a browser may keep a response."""

router = APIRouter()


async def _service(request: Request) -> RecommendationService:
    return request.app.state.service


Service = Annotated[RecommendationService, Depends(_service)]


def _described(body: type, taken: list[dict[str, Any]], *statuses: int) -> dict[str, Any]:
    unchanged = {"description": "The client has this response already, by its `If-None-Match`"}
    responses = {200: {"model": body}, 304: unchanged, **documented(400, *statuses, 414, 503)}
    return {"responses": responses, "openapi_extra": {"parameters": taken}}


@router.get("/", response_class=PlainTextResponse, responses=documented(500), include_in_schema=False)
@router.get("/health", response_class=PlainTextResponse, responses=documented(500))
async def health(service: Service) -> Response:
    """Answer `OK` if the database can be queried."""
    try:
        await service.ping()
    except UnavailableError as error:
        return error_response(500, str(error))
    return PlainTextResponse("OK", headers={"Cache-Control": "no-store"})


@router.get("/recs", **_described(Recommendations, parameters.RECOMMENDATIONS))
async def recs(request: Request, service: Service) -> Response:
    """
    List recommendations, by rank unless another order is given.

    If there are none, as for a new article, list the defaults of the site: highest score first, without the excluded
    articles and the source article itself.
    """
    site = _site(request, service.settings.site_name) or ""
    query = parameters.recommendation_query(request.query_params, site)
    return _response(request, service, await service.recommendations(query))


@router.get("/models", **_described(Models, parameters.MODELS))
async def models(request: Request, service: Service) -> Response:
    """List models, newest first unless another order is given."""
    query = request.query_params
    equal = {name: query[name] for name in ("type", "status") if name in query}
    if (site := _site(request, _guarded_site(service))) is not None:
        equal["site"] = site
    found = await service.models(equal, parameters.size(query), parameters.order(query, MODEL))
    return _response(request, service, found)


@router.get("/models/{model_id}/articles", **_described(Articles, parameters.ARTICLES, 404))
async def articles(request: Request, service: Service) -> Response:
    """List the articles that a model has recommendations for, newest publication first; at most 500."""
    model_id = parameters.integer(request.path_params["model_id"])
    if model_id is None:
        raise UnknownModelError
    return _response(request, service, await service.articles(model_id, _site(request, _guarded_site(service))))


def _guarded_site(service: RecommendationService) -> str | None:
    """Return the site to read if a request names none: all for a public API, else the one the guard has checked."""
    return None if service.settings.public else service.settings.site_name


def _site(request: Request, default: str | None) -> str | None:
    """Return the requested site, and leave it for the metrics."""
    site = request.query_params.get("site", default)
    if site is not None:
        request.state.site = label(site)
    return site


def _response(request: Request, service: RecommendationService, body: bytes) -> Response:
    """Return a body that browsers may keep; nothing but its tag, if the client has it already (RFC 9110, 13.1.2)."""
    settings = service.settings
    seconds = int(min(BROWSER_SECONDS, settings.cache_seconds))
    scope = "public" if settings.public else "private"
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"Cache-Control": f"{scope}, max-age={seconds}", "ETag": tag}
    known = ",".join(request.headers.getlist("if-none-match"))
    if known.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
