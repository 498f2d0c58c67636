"""Response bodies of the audience API: objects with `error_code` and `error_message`, also for failures."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema

from include.audience.request import PreviewRequest

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
COUNTS = {"matched": 7, "sole": 5, "conflict": 1}
PATTERN = {"panel": "/female", "pattern": "lily", "match_type": "partially"}


LocalTime = Annotated[  # JSON schema's format `date-time` requires an offset
    datetime, WithJsonSchema({"type": "string", "examples": ["2020-01-01T00:00:00"]})
]


def _example(value: Any) -> Any:
    return {"json_schema_extra": {"examples": [value]}}


class Accepted(BaseModel):
    """The request with its defaults filled in, and the id of the new task."""

    model_type: str
    predict_type: str = Field(description="`author` if `author_name` was requested")
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
    """The new task, or `error_code` 400, 500, 501 or 503 with a reason."""

    model_config = _example({"error_code": 200, "error_message": ACCEPTED})

    error_code: int
    error_message: Accepted | str


class TaskRow(BaseModel):
    """A task; lists are separated by commas and aligned with `result`."""

    task_id: str
    stat: str = Field(description="label stage: `PENDING`, `SUCCESS`, `FAILURE`, or `BREAK` after an abort")
    prod_stat: str | None = Field(
        description="`finish`: all result tables are written; `no_data`: nothing was labelled"
    )
    model_type: str
    predict_type: str
    date_range: str
    target_table: str = Field(description="the source schema")
    create_time: LocalTime
    peak_memory: float | None
    length_receive_table: int | None = Field(description="posts received from the source")
    length_output_table: int | None = Field(description="labelled rows written")
    length_prod_table: int | str | None = Field(description="rows of the result tables; a number if there is one table")
    result: str = Field(description="names of the tables with labelled rows")
    uniq_source_author: str | None = Field(description="distinct authors")
    rate_of_label: str | None = Field(description="percentage of authors in a panel")
    run_time: float | None = Field(description="duration of the label stage in minutes")
    check_point: LocalTime | None = Field(description="after a failure: all rows before this time are written")
    error_message: str | None = Field(description="the last error, or what was odd about the posts")


class TaskList(BaseModel):
    """The newest tasks, newest first."""

    model_config = _example({"error_code": 200, "error_message": "OK", "content": [ROW]})

    error_code: int
    error_message: str
    content: list[TaskRow]


class Status(BaseModel):
    """Status of a task."""

    model_config = _example(
        {"error_code": 200, "error_message": "OK", "status": "SUCCESS", "prod_status": "finish", "result": "fbfans"}
    )

    error_code: int
    error_message: str
    status: str | None
    prod_status: str | None
    result: str | None
    detail: str | None = Field(
        default=None, description="reason of a failure, also of production, or what was odd about the posts"
    )


class SampledRow(BaseModel):
    """A row of a result table."""

    id: str
    task_id: str
    source_author: str
    panel: str
    create_time: LocalTime
    field_content: str = Field(description="source of the post")
    match_content: str = Field(description="text that was labelled")


class Sample(BaseModel):
    """Rows, or `error_code` 400, 404 or 500 with a reason."""

    model_config = _example({"error_code": 200, "error_message": [SAMPLED]})

    error_code: int
    error_message: list[SampledRow] | str


MATCHED = "matched rows"
SOLE = "matched rows that no other panel, or no other pattern, matched"
CONFLICT = "matched rows that another panel matched, too"


class Totals(BaseModel):
    """Counts of all rows of the task."""

    received: int
    matched: int = Field(description="rows that a pattern matched")
    unmatched: int
    sole: int = Field(description="rows that exactly one pattern matched")
    conflict: int = Field(description="rows that several panels matched")


class PanelCoverage(BaseModel):
    """Counts of a panel."""

    panel: str
    matched: int = Field(description=MATCHED)
    sole: int = Field(description=SOLE)
    conflict: int = Field(description=CONFLICT)


class SilentPattern(BaseModel):
    """A pattern that matched no row."""

    panel: str
    pattern: str = Field(description="keyword or regular expression")
    match_type: str | None = Field(description="where the keyword may occur; null for a regular expression")


class PatternCoverage(SilentPattern):
    """Counts of a pattern."""

    matched: int = Field(description=MATCHED)
    sole: int = Field(description=SOLE)
    conflict: int = Field(description=CONFLICT)


class CoverageContent(BaseModel):
    """Rows that the rules of a task have matched."""

    totals: Totals
    panels: list[PanelCoverage]
    patterns: list[PatternCoverage]
    never_fired: list[SilentPattern]


class Coverage(BaseModel):
    """Coverage of the rules, or `error_code` 400, 404 or 500 with a reason and without content."""

    model_config = _example(
        {
            "error_code": 200,
            "error_message": "OK",
            "content": {
                "totals": {"received": 20, "matched": 7, "unmatched": 13, "sole": 5, "conflict": 1},
                "panels": [{"panel": "/female", **COUNTS}],
                "patterns": [PATTERN | COUNTS],
                "never_fired": [PATTERN | {"pattern": "lilian"}],
            },
        }
    )

    error_code: int
    error_message: str
    content: CoverageContent | None


class PreviewBody(PreviewRequest):
    """New rules, the posts to compare them on, and whether to wait for the report."""

    background: bool = Field(default=False, description="start a run of `audience_rules_preview` and do not wait")


class PanelChange(BaseModel):
    """What a panel gains and loses, without what moves from or to another panel."""

    panel: str
    posts_before: int
    posts_after: int
    posts_gained: int
    posts_lost: int
    authors_before: int = Field(description="rows of all result tables")
    authors_after: int
    authors_gained: int
    authors_lost: int


class PanelMove(BaseModel):
    """What moves from one panel to another."""

    model_config = {"populate_by_name": True}

    source: str = Field(alias="from")
    to: str
    posts: int
    authors: int


class TableChange(BaseModel):
    """Change of a result table."""

    table: str
    authors: int
    rows_before: int
    rows_after: int
    rate_before: float = Field(description="`rate_of_label` with the rules in force, in percent")
    rate_after: float
    rate_change: float


class SwallowedPattern(SilentPattern):
    """A pattern that matched only posts that another one matched, too."""

    by: SilentPattern


class PanelConflict(BaseModel):
    """Posts that patterns of both panels match."""

    panels: list[str]
    posts_before: int
    posts_after: int


class Match(BaseModel):
    """A pattern in the text of a sample."""

    rules: str = Field(description="`before` or `after`")
    panel: str
    pattern: str
    start: int = Field(description="first character in the whole text")
    end: int = Field(description="the character after the last")


class ChangedPost(BaseModel):
    """A post whose panel changes."""

    id: str
    s_id: str
    author: str
    text: str = Field(description="the text around the matches")
    offset: int = Field(description="where `text` begins in the whole text")
    matches: list[Match]


class SampledChange(BaseModel):
    """Up to 20 random posts of one kind of change; null stands for no panel."""

    before: str | None
    after: str | None
    posts: list[ChangedPost]


class EstimatedMove(BaseModel):
    """Estimated posts of one kind of change in the whole range, with the bounds of an interval of 95 %."""

    model_config = {"populate_by_name": True}

    source: str | None = Field(alias="from")
    to: str | None
    posts: int
    low: int
    high: int


class PreviewSample(BaseModel):
    """Which posts were read, and what that means for the whole range."""

    windows: int
    rows: int
    of_rows: int
    posts: list[EstimatedMove]


class PreviewContent(BaseModel):
    """Difference of two full runs; of a sample of windows, all counts are those of the sample."""

    exact: bool
    received: int
    posts_changed: int
    authors_changed: int
    panels: list[PanelChange]
    moved: list[PanelMove]
    tables: list[TableChange]
    patterns: list[PatternCoverage]
    never_fired: list[SilentPattern]
    swallowed: list[SwallowedPattern]
    conflicts: list[PanelConflict]
    samples: list[SampledChange]
    sample: PreviewSample | None = None
    warnings: list[str]
    rules_before: str = Field(description="checksum of the rules in force")
    rules_after: str


class Preview(BaseModel):
    """Report of a preview, the id of one in the background (202), or `error_code` 400, 404, 500 or 503."""

    error_code: int
    error_message: str
    content: PreviewContent | None
    preview_id: str | None = None
