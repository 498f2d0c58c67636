"""The API of the platform: why a row is there.

Mounted at `/quartet`; interactive documentation at `/quartet/docs`. A row has a URI, `quartet://<workflow>/…`.
"""

from typing import Any

from fastapi import FastAPI, Request, Response

from include.core.provenance import RowError, UnknownRowError
from quartet.api.common.browser import PagesForBrowsers
from quartet.api.common.concurrency import limited
from quartet.api.common.docs import documented_app
from quartet.api.common.errors import documented, error_response, install_error_handlers
from quartet.api.common.head import HeadAsGet
from quartet.api.quartet.routes import router


def create_app() -> FastAPI:
    """Build the app."""
    app = documented_app("platform", __doc__, responses=documented(401, 403, 503), dependencies=[limited(slots=4)])
    install_error_handlers(app)
    app.add_exception_handler(RowError, _invalid)
    app.add_exception_handler(UnknownRowError, _not_found)
    app.include_router(router)
    app.add_middleware(HeadAsGet)
    app.add_middleware(PagesForBrowsers, pages={r"/why": "/explain"})
    return app


async def _invalid(_: Request, error: Any) -> Response:
    return error_response(422, str(error))


async def _not_found(_: Request, error: Any) -> Response:
    return error_response(404, str(error))
