"""The audience API: create labeling tasks, follow them, sample their results, abort them.

Mounted at `/audience`; interactive documentation at `/audience/docs`. A response is an object with `error_code` and
`error_message` and has the HTTP status 200; invalid input is answered with 422. Times are local to the time zone in
AUDIENCE_TIME_ZONE. Each path may end with a slash or not.
"""

from fastapi import FastAPI

from include.audience.settings import AudienceSettings
from quartet.api.audience.errors import install_error_handlers
from quartet.api.audience.routes import router
from quartet.api.audience.service import AudienceService
from quartet.api.common.browser import PagesForBrowsers
from quartet.api.common.concurrency import limited
from quartet.api.common.docs import documented_app
from quartet.api.common.errors import documented
from quartet.api.common.limits import BodyLimit

MAX_BODY_BYTES = 1 << 20
PAGES = {r"/api/tasks/?": "/audience/", r"/api/tasks/(?P<task_id>[0-9a-f]{32})(?:/coverage)?/?": "/audience/{task_id}"}
"""Address of the API → page that shows the same."""


def create_app() -> FastAPI:
    """Build the app; settings are read now."""
    app = documented_app(
        "audience labeling",
        __doc__,
        responses=documented(401, 403, 503),
        redirect_slashes=False,
        dependencies=[limited()],
    )
    app.state.service = AudienceService(AudienceSettings.load())
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    install_error_handlers(app)
    app.include_router(router)
    app.add_middleware(PagesForBrowsers, pages=PAGES)
    return app
