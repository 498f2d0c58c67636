"""The routes of the overview; each row is a request of its own, so that a slow or failing one does not hold others."""

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse

from include.workflows import named
from quartet.api.common.auth import SIGNED_IN
from quartet.api.common.pages import page
from quartet.pages import overview

router = APIRouter(dependencies=[SIGNED_IN])


@router.get("/")
def overview_page(request: Request) -> HTMLResponse:
    """Show all workflows."""
    return page(request, "pages/templates/overview.html")


@router.get("/overview/{name}")
async def overview_row(request: Request, name: str) -> HTMLResponse:
    """Show one workflow, as a row of the overview."""
    try:
        workflow = named(name)
    except KeyError:
        raise HTTPException(404, "There is no such workflow.") from None
    row = await overview.row_of(request, workflow)
    return page(request, "pages/templates/overview_row.html", workflow=workflow, row=row)
