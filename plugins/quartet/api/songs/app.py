"""The song plays API: which days there are, what they were made from, their counts, their files.

Mounted at `/songs`; interactive documentation at `/songs/docs`. It only reads. A day is a calendar day in the zone of
SONGS_REPORT_TIMEZONE, written `YYYY-MM-DD`.
"""

from typing import Any

from fastapi import FastAPI, Request, Response

from include.songs.results import IncompleteError
from quartet.api.common.browser import PagesForBrowsers
from quartet.api.common.concurrency import limited
from quartet.api.common.docs import documented_app
from quartet.api.common.errors import documented, error_response, install_error_handlers
from quartet.api.common.head import HeadAsGet
from quartet.api.songs.routes import router
from quartet.api.songs.service import UnknownDayError

PAGES = {r"/days": "/songs/", r"/days/(?P<day>[^/]+)(?:/counts)?": "/songs/days/{day}"}
"""Address of the API → page that shows the same."""


def create_app() -> FastAPI:
    """Build the app."""
    app = documented_app("song plays", __doc__, responses=documented(401, 403, 503), dependencies=[limited()])
    install_error_handlers(app)
    app.add_exception_handler(IncompleteError, _not_found)
    app.add_exception_handler(UnknownDayError, _not_found)
    app.include_router(router)
    app.add_middleware(HeadAsGet)
    app.add_middleware(PagesForBrowsers, pages=PAGES)
    return app


async def _not_found(_: Request, error: Any) -> Response:
    return error_response(404, str(error))
