"""Error responses of the audience API: invalid input as FastAPI answers it, other errors as `Problem`."""

import json
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from quartet.api.common import errors


def install_error_handlers(app: FastAPI) -> None:
    """Answer invalid input to *app* with 422 and FastAPI's `detail`, whatever was sent, and other errors as usual."""
    errors.install_error_handlers(app)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)


async def _invalid(_: Request, error: Any) -> Response:
    return _unprocessable([{name: each[name] for name in ("type", "loc", "msg")} for each in error.errors()])


async def _http_error(_: Request, error: Any) -> Response:
    if error.status_code == 400 and error.__cause__ is not None:  # FastAPI's answer when Python's JSON parser fails
        reason = f"valid JSON was expected ({type(error.__cause__).__name__})"
        return _unprocessable([{"type": "json_invalid", "loc": ["body"], "msg": reason}])
    return errors.error_response(error.status_code, str(error.detail), headers=error.headers)


def _unprocessable(detail: Sequence[dict[str, Any]]) -> Response:
    # ASCII, since UTF-8 cannot encode half a surrogate pair, and without the input, which may be anything
    return Response(json.dumps({"detail": detail}), 422, media_type="application/json")
