"""The routes of the overview and of rows.

Each row of the overview is a request of its own, so that a slow or failing one does not hold others.
"""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from include.core.provenance import UnknownRowError
from include.workflows import named
from quartet.api.common.auth import SIGNED_IN, may_read_chosen
from quartet.api.common.pages import page
from quartet.api.quartet import service
from quartet.api.quartet.routes import DAG, dag_of_row
from quartet.pages import overview
from quartet.pages.why import groups, text_of

router = APIRouter()


@router.get("/", dependencies=[SIGNED_IN])
def overview_page(request: Request) -> HTMLResponse:
    """Show all workflows."""
    return page(request, "pages/templates/overview.html")


@router.get("/overview/{name}", dependencies=[SIGNED_IN])
async def overview_row(request: Request, name: str) -> HTMLResponse:
    """Show one workflow, as a row of the overview."""
    try:
        workflow = named(name)
    except KeyError:
        raise HTTPException(404, "There is no such workflow.") from None
    row = await overview.row_of(request, workflow)
    return page(request, "pages/templates/overview_row.html", workflow=workflow, row=row)


@router.get("/explain", dependencies=[may_read_chosen(DAG, dag_of_row)])
def why_page(request: Request, row: Annotated[str, Query(max_length=2000)]) -> HTMLResponse:
    """Show why a row is there: the run that made it, and what it was made from."""
    try:
        record = service.why(row, 1)
    except UnknownRowError as error:
        raise HTTPException(404, str(error)) from None
    parameters = [(name, text_of(each)) for name, each in record.made_by.parameters.items()]
    values = {"value": text_of(record.value), "parameters": parameters, "groups": groups(record)}
    return page(request, "pages/templates/why.html", record=record, **values)
