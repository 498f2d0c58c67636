"""Error responses of the web apps: one shape, and never a 500 for bad input.

    {"detail": "1 row is not valid; nothing was written", "errors": [{"index": 3, "reason": "…"}]}

`install_error_handlers(app)` gives FastAPI's own errors this shape; a route raises `ApiError` for its own.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from include.core.errors import DamagedObjectError
from include.core.text import excerpt

log = logging.getLogger(__name__)

RETRY_LATER = {"Retry-After": "5"}
"""Header of answers with 503: seconds after which another attempt may succeed."""
MAX_ERRORS = 10
"""Maximum number of bad rows listed; `detail` counts all of them."""

_DESCRIPTIONS = {
    400: "Airflow rejected the request",
    401: "No token, or an expired one",
    403: "The user lacks permission, or the token is invalid",
    404: "Not found",
    409: "Conflict with the current state",
    413: "The body is too large",
    422: "The input is invalid; nothing was written",
    503: "Storage, database or Airflow is unavailable; try again later",
}


class RowError(BaseModel):
    """Error in one row of the input."""

    index: int = Field(description="position of the row in `data`, from 0")
    reason: str = Field(description="what was expected and what was found")


class Problem(BaseModel):
    """Body of every error response."""

    detail: str = Field(description="what is wrong, in plain words")
    errors: list[RowError] = Field(default=[], description=f"the first bad rows, at most {MAX_ERRORS}")


class ApiError(Exception):
    """An error with an HTTP status, answered as a `Problem`."""

    def __init__(self, status: int, detail: str, errors: Iterable[RowError] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route or an app: the meaning of each status and the schema of its body."""
    return {status: {"model": Problem, "description": _DESCRIPTIONS[status]} for status in statuses}


def error_response(
    status: int, detail: str, errors: Sequence[RowError] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Build an error response; text that UTF-8 cannot encode is escaped."""
    content = {
        "detail": _clean(detail),
        "errors": [{"index": each.index, "reason": _clean(each.reason)} for each in errors[:MAX_ERRORS]],
    }
    return JSONResponse(content, status, headers)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of *app* as a `Problem`; storage and database failures become 503."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ApiError, _problem)
    app.add_exception_handler(DamagedObjectError, _damaged)
    app.add_exception_handler(UnicodeEncodeError, _not_unicode)
    for unavailable in faults():
        app.add_exception_handler(unavailable, _unavailable)


def faults() -> list[type[Exception]]:
    """Return the errors of a storage or database that does not work."""
    from botocore.exceptions import BotoCoreError, ClientError
    from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

    return [OSError, BotoCoreError, ClientError, OperationalError, InterfaceError, TimeoutError]


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()[:2000]


async def _invalid(_: Request, error: Any) -> JSONResponse:
    rows: dict[int, RowError] = {}
    others = []
    for each in error.errors():
        place, reason = each["loc"][1:], _reason(each)
        index = next((part for part in place if isinstance(part, int)), None)
        if each["type"] == "json_invalid":
            others.append(f"the body is not JSON: {each['ctx']['error']} at character {index}")
        elif index is None:
            others.append(f"{'.'.join(str(part) for part in place) or 'the body'}: {reason}")
        else:
            rows.setdefault(index, RowError(index=index, reason=reason))
    if rows:
        others.append("1 row is not valid" if len(rows) == 1 else f"{len(rows)} rows are not valid")
    return error_response(422, "; ".join(others[:MAX_ERRORS]), [rows[index] for index in sorted(rows)[:MAX_ERRORS]])


def _reason(error: Mapping[str, Any]) -> str:
    if error["type"] == "missing":
        return "is missing"
    return f"{error['msg'].removeprefix('Value error, ')[:200]}, found {excerpt(error['input'])}"


async def _not_unicode(_: Request, error: Any) -> JSONResponse:
    if error.reason != "surrogates not allowed":
        raise error
    # JSON may hold half a surrogate pair ("\\ud800"): Python parses it and fails when it is first encoded
    return error_response(422, f"invalid Unicode text: {excerpt(error.object[error.start : error.end])}")


async def _http_error(_: Request, error: Any) -> JSONResponse:
    if error.status_code == 400 and error.__cause__ is not None:  # FastAPI's answer when Python's JSON parser fails
        return error_response(422, f"the body is not valid JSON ({type(error.__cause__).__name__})")
    return error_response(error.status_code, str(error.detail), headers=error.headers)


async def _problem(_: Request, error: Any) -> JSONResponse:
    return error_response(error.status, error.detail, error.errors)


async def _damaged(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s: %s", request.method, request.url.path, error)
    return error_response(503, str(error))


def log_unavailable(request: Request, error: Exception) -> str:
    """Log one of `faults` and return what is unavailable: `database` or `storage`."""
    what = "database" if type(error).__module__.startswith("sqlalchemy") else "storage"
    log.error("%s %s: the %s is unavailable", request.method, request.url.path, what, exc_info=error)
    return what


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, FileNotFoundError | FileExistsError):
        raise error  # the storage works; a missing or taken name is for the route to handle
    what = log_unavailable(request, error)
    return error_response(503, f"the {what} is unavailable ({type(error).__name__})", headers=RETRY_LATER)
