"""The routes of the platform's API."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from include.core.provenance import RowError, parse_row
from include.workflows import WORKFLOWS
from quartet.api.common.auth import may_read, may_read_chosen
from quartet.api.common.errors import documented
from quartet.api.quartet import service
from quartet.api.quartet.schemas import RowKind, RowKinds, Why

DAG = "housekeeping"
"""Who may see this DAG may see what concerns no single workflow."""

router = APIRouter()


def dag_of_row(request: Request) -> str:
    """Return the DAG that makes the row that is asked for."""
    try:
        row = parse_row(request.query_params.get("row", ""))
        return service.find_kind(row).dag_of(row)
    except RowError:
        return DAG  # the route rejects it


@router.get("/rows", dependencies=[may_read(DAG)])
def rows() -> RowKinds:
    """List the kinds of rows that can be explained."""
    return RowKinds(
        kinds=[
            RowKind(row=service.pattern(workflow, kind), title=kind.title, dag=kind.dag)
            for workflow in WORKFLOWS
            for kind in workflow.rows
        ]
    )


@router.get(
    "/why",
    dependencies=[may_read_chosen(DAG, dag_of_row)],
    response_model=Why,
    responses=documented(404, 422),
)
def why(
    row: Annotated[str, Query(max_length=2000, examples=["quartet://songs/2019-02-08/dataset/1"])],
    depth: Annotated[int, Query(ge=1, le=10, description="1: the row's own sources; 2: also theirs, and so on")] = 1,
    form: Annotated[
        service.Form, Query(alias="format", description="`prov`: W3C PROV-JSON; `openlineage`: a list of its events")
    ] = "json",
) -> JSONResponse:
    """Explain why a row is there: the run that made it, and the rows and files that it was made from."""
    return JSONResponse(service.rendered(service.why(row, depth), form))
