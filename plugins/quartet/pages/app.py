"""The pages of the platform: an overview, and for each workflow what its runs produced.

Mounted at `/quartet`; Airflow's navigation shows it in a frame. Pages are rendered on the server. Scripts and styles
come from `static/`; the policy in `quartet.api.common.pages` forbids any other.
"""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from include.workflows import WORKFLOWS
from quartet.api.common.concurrency import limited
from quartet.api.common.pages import install_page_errors, pages_of
from quartet.pages.routes import router

STATIC = Path(__file__).parent / "static"


def create_app() -> FastAPI:
    """Build the app."""
    app = FastAPI(
        title="Quartet: pages",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        default_response_class=HTMLResponse,
        dependencies=[limited()],
    )
    install_page_errors(app)
    app.include_router(router)
    for workflow in WORKFLOWS:
        if pages := pages_of(workflow.name):
            app.include_router(pages.router, prefix=f"/{workflow.name}")
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
