"""Pages for people: rendering, security headers, errors as pages, and what a workflow contributes to the overview.

`quartet.api.<workflow>.pages` has the pages of a workflow. `quartet.pages.app` mounts its `router` at
`/quartet/<workflow>` and shows its `summary()` on the overview. Templates are named by their path below
`quartet/api`, such as `songs/templates/day.html`; whatever they print is escaped.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException as StarletteHTTPException

from include.core.errors import BadDataError, DamagedObjectError
from include.core.workflow import Workflow
from include.workflows import WORKFLOWS
from quartet.api.common.auth import may_run
from quartet.api.common.errors import RETRY_LATER, ApiError, faults, log_unavailable

log = logging.getLogger(__name__)

MOUNT = "/quartet"
"""Where the pages are mounted."""
TEMPLATES = (Path(__file__).parents[1], Path(__file__).parents[2])
"""Folders that the names of templates begin at: `quartet/api` and `quartet`."""
HEADERS = {
    # frames: Airflow shows the pages in a frame of its own
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Summary:
    """A workflow on the overview."""

    produced: str | None = None
    """What the last run produced, in words; `None`: nothing yet."""
    newest: datetime | None = None
    """The end of what the newest data cover, with a time zone."""
    next_step: str = "make demo"
    """Command to enter if there is nothing yet."""
    alerts: list[str] = field(default_factory=list)


def page(request: Request, template: str, /, status: int = 200, **values: Any) -> HTMLResponse:
    """
    Render a page.

    Args:
        request: the caller's request.
        template: its name, such as `songs/templates/day.html`.
        status: of the response.
        values: what the template prints.
    """
    home = _home(request)
    common = {
        "home": home,
        "airflow": home.removesuffix(MOUNT),
        "workflows": WORKFLOWS,
        "sections": _sections(),
        "path": request.url.path.removeprefix(home),
        "is_fragment": is_fragment(request),
    }
    return HTMLResponse(_environment().get_template(template).render(common | values), status, HEADERS)


def is_fragment(request: Request) -> bool:
    """Check whether the caller is a page that shows the response in one of its parts."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-boosted") != "true"


def can_run(dag_id: str) -> Any:
    """Return the dependency that says whether the caller may start runs of the DAG."""
    guard = may_run(dag_id).dependency

    def check(request: Request, user: GetUserDep) -> bool:
        try:
            guard(request, user)
        except HTTPException:
            return False
        return True

    return Depends(check)


def _check_from_page(request: Request) -> None:
    if request.headers.get("hx-request") != "true":
        raise HTTPException(403, "Use the form on the page.")


FROM_PAGE: Any = Depends(_check_from_page)
"""Guard of a route that changes something: it must be called by a script of our pages, not by a form elsewhere."""


def install_page_errors(app: FastAPI) -> None:
    """Answer every error of *app* with a page, or with a line for the part of a page that asked."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(BadDataError, _bad_data)
    app.add_exception_handler(DamagedObjectError, _damaged)
    for fault in faults():
        app.add_exception_handler(fault, _unavailable)


def error_page(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Build the page of an error."""
    response = page(request, "common/templates/error.html", status, title=HTTPStatus(status).phrase, detail=detail)
    response.headers.update(headers or {})
    return response


def _home(request: Request) -> str:
    return request.scope.get("root_path", "") or MOUNT


@cache
def pages_of(name: str) -> Any | None:
    """Return the module with the pages of a workflow; `None`: it has none."""
    module = f"quartet.api.{name}.pages"
    return import_module(module) if find_spec(module) else None


@cache
def _sections() -> list[Workflow]:
    return [workflow for workflow in WORKFLOWS if pages_of(workflow.name)]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "age": age, "segment": lambda text: quote(str(text), safe="")}
    return environment


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with thousands separators; a dash for `None`."""
    return "-" if value is None else f"{value:,.{digits}f}"


def age(instant: datetime | str | None, now: datetime | None = None) -> str:
    """Return the time since an instant in words, such as `3 h ago`, or until it; a dash for `None`."""
    if instant is None:
        return "-"
    then = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    left = abs(seconds)
    words = "moments"
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if left >= length * (2 if unit == "days" else 1):
            words = f"{left / length:.0f} {unit}"
            break
    return f"{words} ago" if seconds >= 0 else f"in {words}"


async def _invalid(request: Request, error: Any) -> Response:
    found = (f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in error.errors()[:5])
    return error_page(request, 422, "; ".join(found))


async def _http_error(request: Request, error: Any) -> Response:
    if error.status_code == 401:
        login = f"{_home(request).removesuffix(MOUNT)}/api/v2/auth/login?next={quote(str(request.url), safe='')}"
        if is_fragment(request):
            return Response(status_code=401, headers={"HX-Redirect": login})
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(login, 303)
    return error_page(request, error.status_code, str(error.detail), error.headers)


async def _api_error(request: Request, error: Any) -> Response:
    return error_page(request, error.status, error.detail)


async def _bad_data(request: Request, error: Exception) -> Response:
    return error_page(request, 422, str(error))


async def _damaged(request: Request, error: Exception) -> Response:
    log.error("%s %s: %s", request.method, request.url.path, error)
    return error_page(request, 503, str(error))


async def _unavailable(request: Request, error: Exception) -> Response:
    what = log_unavailable(request, error)
    return error_page(
        request, 503, f"The {what} is unavailable ({type(error).__name__}). Try again later.", RETRY_LATER
    )
