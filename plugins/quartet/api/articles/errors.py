"""Error responses of the articles API: objects with `message`, as its specification demands."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from quartet.api.articles.dependencies import InvalidParameterError
from quartet.api.articles.reader import UnavailableError
from quartet.api.articles.schemas import Message
from quartet.api.articles.service import UnknownModelError
from quartet.api.common.errors import RETRY_LATER

_DESCRIPTIONS = {
    400: "A parameter is not valid",
    401: "No token, or an expired one",
    403: "The user may not see the DAG of the site, or the token is not valid",
    404: "Not found",
    414: "The parameters are too long",
    500: "The database cannot be queried",
    503: "The database cannot be queried; try again later",
}


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Build an error response."""
    return JSONResponse({"message": message}, status, {"Cache-Control": "no-store"} | dict(headers or {}))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route or an app: the meaning of each status and the schema of its body."""
    return {status: {"model": Message, "description": _DESCRIPTIONS[status]} for status in statuses}


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of *app* as a `Message`."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(InvalidParameterError, _invalid)
    app.add_exception_handler(UnknownModelError, _not_found)
    app.add_exception_handler(UnavailableError, _unavailable)


async def _http_error(_: Request, error: Any) -> JSONResponse:
    return error_response(error.status_code, str(error.detail), error.headers)


async def _invalid(_: Request, error: Any) -> JSONResponse:
    return error_response(400, str(error))


async def _not_found(_: Request, error: Any) -> JSONResponse:
    return error_response(404, str(error))


async def _unavailable(_: Request, error: Any) -> JSONResponse:
    return error_response(503, str(error), RETRY_LATER)
