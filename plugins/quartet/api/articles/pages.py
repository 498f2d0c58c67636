"""The pages of article recommendations: a site's last runs, and the list of an article beside the defaults."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from include.articles import layout
from include.articles.database import serving
from include.articles.database.serving import Order, RecommendationQuery
from include.articles.database.tables import DEFAULT_SOURCE
from include.articles.settings import ArticleSettings
from include.core.database.engine import open_engine
from include.core.storage import read_json
from quartet.api.articles.charts import funnel, funnel_chart, histogram_chart
from quartet.api.articles.metrics import NAME
from quartet.api.articles.reader import CONNECTION, has_no_tables, with_limits
from quartet.api.articles.service import dag_of
from quartet.api.common import runs
from quartet.api.common.auth import SIGNED_IN, may_read_chosen
from quartet.api.common.errors import ApiError
from quartet.api.common.pages import Summary, number, page
from quartet.hooks.database import DatabaseHook
from quartet.hooks.storage import StorageHook

T = TypeVar("T")

WORKFLOW = "articles"
SIZE = 20
"""Recommendations and found articles that are shown."""
RUNS = 10
"""Newest runs whose costs are shown; storage keeps the files of a few."""

router = APIRouter()


def _default_site() -> str:
    return ArticleSettings.load().site_name


def _guard(choose: Callable[[Request], str | None]) -> Any:
    default = _default_site()
    return may_read_chosen(dag_of(default), lambda request: dag_of(choose(request) or default))


OF_PATH = _guard(lambda request: request.path_params.get("site"))
OF_QUERY = _guard(lambda request: request.query_params.get("site"))
Site = Annotated[str, Path(pattern=f"^(?:{NAME.pattern})$", description="name of a site")]


@dataclass(frozen=True)
class SiteModels:
    """A site in the list of sites."""

    name: str
    dag_id: str
    models: list[dict[str, Any]]
    """Current ones."""


def summary() -> Summary:
    """Return the newest current model of related articles, for the overview."""
    found = _read(lambda engine: serving.models(engine, {"status": "current"}, 1, Order("updated_at")), [])
    if not found:
        return Summary()
    site = found[0]["site"]
    reported = next(iter(layout.reported_runs(StorageHook().path(WORKFLOW), site)), None)
    report = read_json(reported.report) if reported else None
    saved = report["steps"].get("save_predictions") if report else None
    words = f"{site}: model {found[0]['id']}"
    if saved:
        words = f"{site}: {number(saved['recommendations'])} recommendations for {number(saved['sources'])} articles"
    return Summary(words, datetime.fromisoformat(report["run_at"] if report else found[0]["created_at"]))


@router.get("/", dependencies=[SIGNED_IN])
async def sites_page(request: Request) -> HTMLResponse:
    """List the sites that the caller may see, with their current models."""
    dags = {dag["dag_id"] for dag in await runs.list_dags(request, WORKFLOW)}
    found = await run_in_threadpool(
        _read, lambda engine: serving.models(engine, {"status": "current"}, 200, Order()), []
    )
    by_site: dict[str, list[dict[str, Any]]] = {}
    for model in found:
        by_site.setdefault(model["site"], []).append(model)
    listed = [SiteModels(site, dag_of(site), models) for site, models in sorted(by_site.items())]
    values = {"sites": [each for each in listed if each.dag_id in dags], "dags": sorted(dags)}
    return page(request, "articles/templates/sites.html", **values)


@router.get("/sites/{site}", dependencies=[OF_PATH])
def site_page(request: Request, site: Site) -> HTMLResponse:
    """Show the last runs of a site, and a search for its articles."""
    reported = layout.reported_runs(StorageHook().path(WORKFLOW), site)[:RUNS]
    reports = [found for each in reported if (found := read_json(each.report))]
    models = _read(lambda engine: serving.models(engine, {"site": site}, SIZE, Order()), [])
    steps: dict[str, Any] = reports[0]["steps"] if reports else {}
    counts = funnel(steps)
    values = {
        "site": site,
        "dag_id": dag_of(site),
        "models": models,
        "reports": reports,
        "steps": steps,
        "counts": counts,
        "funnel": funnel_chart(counts) if counts else None,
        "gaps": histogram_chart(steps.get("build_interactions", {}).get("gaps"), "seconds between two events"),
        "ages": histogram_chart(steps.get("save_predictions", {}).get("target_ages"), "days since publication"),
    }
    return page(request, "articles/templates/site.html", **values)


@router.get("/sites/{site}/search", dependencies=[OF_PATH])
def search(request: Request, site: Site, title: Annotated[str, Query(max_length=200)] = "") -> HTMLResponse:
    """List articles by their title, as part of the page."""
    found = _read(lambda engine: serving.search(engine, site, title.strip(), SIZE), []) if title.strip() else []
    return page(request, "articles/templates/search.html", site=site, title=title.strip(), found=found)


@router.get("/recs", dependencies=[OF_QUERY])
def article_page(
    request: Request,
    site: str | None = None,
    source_entity_id: Annotated[str | None, Query(max_length=500)] = None,
) -> HTMLResponse:
    """Show the list of an article beside the defaults of its site."""
    name = site or _default_site()
    source = source_entity_id if source_entity_id not in (None, DEFAULT_SOURCE) else None
    found = _read(lambda engine: serving.article(engine, name, source), None) if source else None
    if source and not found:
        raise ApiError(404, f"{name} has no article {source}; search for it by its title on the page of the site")
    related = _read(lambda engine: _related(engine, name, source), []) if source else []
    defaults = _read(lambda engine: serving.defaults(engine, name), [])[:SIZE]
    values = {"site": name, "article": found, "related": related, "defaults": defaults}
    return page(request, "articles/templates/article.html", **values)


def _current_models(engine: Engine) -> list[dict[str, Any]]:
    return serving.models(engine, {"status": "current"}, 200, Order())


def _related(engine: Engine, site: str, source: str) -> list[dict[str, Any]]:
    return serving.recommendations(engine, RecommendationQuery(site, source=source, size=SIZE))


def _read(query: Callable[[Engine], T], otherwise: T) -> T:
    """Return what a query of the database returns; *otherwise* while nothing has ever been written."""
    try:
        with open_engine(with_limits(DatabaseHook(CONNECTION).url), read_only=True) as engine:
            return query(engine)
    except FileNotFoundError:
        return otherwise
    except SQLAlchemyError as error:
        if has_no_tables(getattr(error, "orig", None)):
            return otherwise
        raise
