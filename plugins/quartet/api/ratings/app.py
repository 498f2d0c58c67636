"""The ratings API: submit ratings and pairs, fetch predictions, look at history and provenance, go back.

Mounted at `/ratings`; interactive documentation at `/ratings/docs`. Submitting only writes a file into storage: a
watcher notices it and starts the work, as it does for a file that is dropped there by hand.
"""

from typing import Any

from fastapi import FastAPI, Request, Response

from include.ratings.errors import BadRowsError, UnknownPredictionError, UnknownVersionError
from include.ratings.settings import RatingsSettings
from quartet.api.common.browser import PagesForBrowsers
from quartet.api.common.concurrency import limited
from quartet.api.common.docs import documented_app
from quartet.api.common.errors import RowError, documented, error_response, install_error_handlers
from quartet.api.common.limits import BodyLimit
from quartet.api.ratings.routes import router
from quartet.api.ratings.service import InvalidRequestError

PAGES = {
    r"/(models|commits)": "/ratings/",
    r"/result/(?P<filename>[^/]+)": "/ratings/predictions/{filename}",
    r"/predictions/(?P<filename>[^/]+)/why": "/ratings/predictions/{filename}",
}
"""Address of the API → page that shows the same."""


def create_app() -> FastAPI:
    """Build the app; settings are read now."""
    app = documented_app("movie ratings", __doc__, responses=documented(401, 403, 503), dependencies=[limited()])
    app.state.settings = RatingsSettings.load()
    app.add_middleware(BodyLimit, max_bytes=app.state.settings.max_body_bytes)
    install_error_handlers(app)
    app.add_exception_handler(BadRowsError, _bad_rows)
    app.add_exception_handler(InvalidRequestError, _invalid)
    app.add_exception_handler(UnknownVersionError, _not_found)
    app.add_exception_handler(UnknownPredictionError, _not_found)
    app.include_router(router)
    app.add_middleware(PagesForBrowsers, pages=PAGES)
    return app


async def _bad_rows(_: Request, error: Any) -> Response:
    rows = [RowError(index=index, reason=reason) for index, reason in error.errors]
    return error_response(422, f"{error}; nothing was written", rows)


async def _invalid(_: Request, error: Any) -> Response:
    return error_response(422, str(error))


async def _not_found(_: Request, error: Any) -> Response:
    return error_response(404, str(error))
