"""The answers of the audience API: objects with `error_code` and `error_message`, for failures too."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field, WithJsonSchema
from starlette.exceptions import HTTPException

from quartet.api.common.errors import error_response, install_error_handlers

TASK = "8fec5762412c11ec836d04ea56825baa"
REQUEST = {
    "model_type": "keyword_model",
    "predict_type": "author_name",
    "start_time": "2020-01-01 00:00:00",
    "end_time": "2021-01-01 00:00:00",
    "target_schema": "wh_fb_ex_02",
    "target_table": "ts_page_content",
    "output_schema": "audience_result",
    "countdown": 5,
    "queue": "queue1",
}
ACCEPTED = REQUEST | {
    "predict_type": "author",
    "start_time": "2020-01-01T00:00:00",
    "end_time": "2021-01-01T00:00:00",
    "date_range": "2020-01-01 00:00:00 - 2021-01-01 00:00:00",
    "task_id": TASK,
}
ROW = {
    "task_id": TASK,
    "stat": "SUCCESS",
    "prod_stat": "finish",
    "model_type": "keyword_model",
    "predict_type": "author",
    "date_range": "2020-01-01 00:00:00 - 2021-01-01 00:00:00",
    "target_table": "wh_fb_ex_02",
    "create_time": "2021-11-09T15:05:45",
    "peak_memory": None,
    "length_receive_table": 2376186,
    "length_output_table": 308246,
    "length_prod_table": 236705,
    "result": "fbfans",
    "uniq_source_author": "1672893",
    "rate_of_label": "14.15",
    "run_time": 1.5,
    "check_point": None,
    "error_message": None,
}
SAMPLED = {
    "id": "1577818324915_FBEXUB",
    "task_id": TASK,
    "source_author": "WH_F0045_Lily Goh",
    "panel": "/female",
    "create_time": "2020-01-01T02:52:04",
    "field_content": "WH_F0045",
    "match_content": "Lily Goh",
}
FIGURES = {"matched": 7, "sole": 5, "conflict": 1}
PATTERN = {"panel": "/female", "pattern": "lily", "match_type": "partially"}


LocalTime = Annotated[  # the format `date-time` of JSON schema would have an offset
    datetime, WithJsonSchema({"type": "string", "examples": ["2020-01-01T00:00:00"]})
]


def _example(value: Any) -> Any:
    return {"json_schema_extra": {"examples": [value]}}


class Accepted(BaseModel):
    """The request with all defaults filled in, and the id of the new task."""

    model_type: str
    predict_type: str = Field(description="`author` where `author_name` was asked for")
    start_time: LocalTime
    end_time: LocalTime
    target_schema: str
    target_table: str
    output_schema: str
    countdown: int
    queue: str
    date_range: str
    task_id: str


class Created(BaseModel):
    """The new task, or why there is none: 400, 500, 501 or 503 with a text."""

    model_config = _example({"error_code": 200, "error_message": ACCEPTED})

    error_code: int
    error_message: Accepted | str


class TaskRow(BaseModel):
    """A task; lists are separated by commas and aligned with `result`."""

    task_id: str
    stat: str = Field(description="label stage: `PENDING`, `SUCCESS`, `FAILURE`, or `BREAK` after an abort")
    prod_stat: str | None = Field(
        description="`finish` when all result tables are written; `no_data`: nothing to write"
    )
    model_type: str
    predict_type: str
    date_range: str
    target_table: str = Field(description="the source schema")
    create_time: LocalTime
    peak_memory: float | None
    length_receive_table: int | None = Field(description="source rows received")
    length_output_table: int | None = Field(description="labelled rows written")
    length_prod_table: int | str | None = Field(
        description="rows of the result tables; a number when there is one table"
    )
    result: str = Field(description="names of the tables with labelled rows")
    uniq_source_author: str | None = Field(description="distinct authors")
    rate_of_label: str | None = Field(description="authors with a panel, in percent")
    run_time: float | None = Field(description="duration of the label stage, in minutes")
    check_point: LocalTime | None = Field(description="after a failure: all before it is written")
    error_message: str | None = Field(description="the last error")


class TaskList(BaseModel):
    """The newest tasks, newest first."""

    model_config = _example({"error_code": 200, "error_message": "OK", "content": [ROW]})

    error_code: int
    error_message: str
    content: list[TaskRow]


class Status(BaseModel):
    """How far a task is."""

    model_config = _example(
        {"error_code": 200, "error_message": "OK", "status": "SUCCESS", "prod_status": "finish", "result": "fbfans"}
    )

    error_code: int
    error_message: str
    status: str | None
    prod_status: str | None
    result: str | None
    detail: str | None = Field(default=None, description="why it failed; only with the status `FAILURE`")


class SampledRow(BaseModel):
    """A row of a result table."""

    id: str
    task_id: str
    source_author: str
    panel: str
    create_time: LocalTime
    field_content: str = Field(description="the source")
    match_content: str = Field(description="what was labelled")


class Sample(BaseModel):
    """Rows, or why there are none: 400, 404 or 500 with a text."""

    model_config = _example({"error_code": 200, "error_message": [SAMPLED]})

    error_code: int
    error_message: list[SampledRow] | str


MATCHED = "rows that it matched"
SOLE = "those of them that nothing else of its kind matched"
CONFLICT = "those of them that another panel matched too"


class Totals(BaseModel):
    """All rows of the task."""

    received: int
    matched: int = Field(description="rows that any pattern matched")
    unmatched: int
    sole: int = Field(description="rows that exactly one pattern matched")
    conflict: int = Field(description="rows that several panels matched")


class PanelFigures(BaseModel):
    """Rows of a panel."""

    panel: str
    matched: int = Field(description=MATCHED)
    sole: int = Field(description=SOLE)
    conflict: int = Field(description=CONFLICT)


class SilentPattern(BaseModel):
    """A pattern that matched no row."""

    panel: str
    pattern: str = Field(description="keyword or regular expression")
    match_type: str | None = Field(description="where the keyword may be; null for a regular expression")


class PatternFigures(SilentPattern):
    """Rows of a pattern."""

    matched: int = Field(description=MATCHED)
    sole: int = Field(description=SOLE)
    conflict: int = Field(description=CONFLICT)


class CoverageContent(BaseModel):
    """What the rules of a task have done."""

    totals: Totals
    panels: list[PanelFigures]
    patterns: list[PatternFigures]
    never_fired: list[SilentPattern]


class Coverage(BaseModel):
    """What the rules have done, or why that is not known: 400, 404 or 500 with a text and no content."""

    model_config = _example(
        {
            "error_code": 200,
            "error_message": "OK",
            "content": {
                "totals": {"received": 20, "matched": 7, "unmatched": 13, "sole": 5, "conflict": 1},
                "panels": [{"panel": "/female", **FIGURES}],
                "patterns": [PATTERN | FIGURES],
                "never_fired": [PATTERN | {"pattern": "lilian"}],
            },
        }
    )

    error_code: int
    error_message: str
    content: CoverageContent | None


def install(app: FastAPI) -> None:
    """Make *app* answer input that is not valid as FastAPI does, but whatever was sent; other errors are `Problem`s."""
    install_error_handlers(app)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)


async def _invalid(_: Request, error: Any) -> Response:
    return _unprocessable([{name: each[name] for name in ("type", "loc", "msg")} for each in error.errors()])


async def _http_error(_: Request, error: Any) -> Response:
    if error.status_code == 400 and error.__cause__ is not None:  # so FastAPI says of what Python's JSON refuses
        reason = f"JSON that can be read was expected ({type(error.__cause__).__name__})"
        return _unprocessable([{"type": "json_invalid", "loc": ["body"], "msg": reason}])
    return error_response(error.status_code, str(error.detail), headers=error.headers)


def _unprocessable(detail: Sequence[dict[str, Any]]) -> Response:
    # ASCII, since UTF-8 cannot carry half a character; without the input, which may be anything
    return Response(json.dumps({"detail": detail}), 422, media_type="application/json")
