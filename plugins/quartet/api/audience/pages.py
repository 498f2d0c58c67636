"""The pages of audience labeling: tasks with their figures and progress, what the rules matched, samples."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from include.audience.preview.spans import first_span
from include.audience.request import LabelingRequest
from include.audience.results.state import Stat
from include.audience.rules.ruleset import MODEL_TYPES, PREDICT_TYPES, Rules
from include.audience.settings import AudienceSettings
from quartet.api.audience import routes
from quartet.api.audience.routes import DAG, TableName
from quartet.api.audience.schemas import SampledRow
from quartet.api.audience.service import AudienceService, UnknownTaskError
from quartet.api.common.auth import may_read, may_run
from quartet.api.common.errors import ApiError
from quartet.api.common.pages import FROM_PAGE, Summary, can_run, number, page

TOP = 20
"""Patterns in the chart."""
TASK_ID = r"^[0-9a-f]{32}$"

router = APIRouter()


def _service() -> AudienceService:
    return AudienceService(AudienceSettings.load())


Service = Annotated[AudienceService, Depends(_service)]
MayRun = Annotated[bool, can_run(DAG)]
TaskId = Annotated[str, Path(pattern=TASK_ID, description="32 hexadecimal digits")]
READ = [may_read(DAG)]


@dataclass(frozen=True)
class ResultTable:
    """The figures of a result table of a task."""

    name: str
    authors: str
    rows: str
    rate: str


def summary() -> Summary:
    """Return the newest task that is finished, for the overview."""
    service = _service()
    listed = service.newest()
    if listed.error_code != 200:
        raise OSError(listed.error_message)
    for task in listed.content:
        if task.stat == Stat.SUCCESS and task.prod_stat:
            words = f"{number(task.length_receive_table)} posts, {number(task.length_output_table)} labelled rows"
            tables = len([name for name in (task.result or "").split(",") if name])
            created = task.create_time.replace(tzinfo=service.settings.zone)
            return Summary(f"{words} in {tables} tables", created)
    return Summary()


@router.get("/", dependencies=READ)
def tasks_page(request: Request, service: Service, may: MayRun) -> HTMLResponse:
    """Show the newest tasks, and the form that creates one."""
    listed = service.newest()
    defaults = LabelingRequest()
    values = {
        "error": listed.error_message if listed.error_code != 200 else None,
        "tasks": listed.content,
        "defaults": defaults,
        "model_types": MODEL_TYPES,
        "predict_types": ("author_name", *PREDICT_TYPES[1:]),
        "zone": service.settings.zone.key,
    }
    return page(request, "audience/templates/tasks.html", may_run=may, **values)


@router.post("/", dependencies=[may_run(DAG), FROM_PAGE])
async def create(
    request: Request,
    service: Service,
    model_type: Annotated[str, Form()],
    predict_type: Annotated[str, Form()],
    start_time: Annotated[str, Form()],
    end_time: Annotated[str, Form()],
    target_schema: Annotated[str, Form()] = "",
    target_table: Annotated[str, Form()] = "",
) -> Response:
    """Create a task, and go to its page."""
    fields = {
        "model_type": model_type,
        "predict_type": predict_type,
        "start_time": start_time,
        "end_time": end_time,
        "target_schema": target_schema,
        "target_table": target_table,
    }
    try:
        body = LabelingRequest.model_validate({name: text for name, text in fields.items() if text})
    except ValidationError as error:
        found = (f"{each['loc'][0]}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors())
        raise ApiError(422, "; ".join(found)) from None
    created = await routes.create_task(request, body, service)
    if isinstance(created.error_message, str):
        raise ApiError(422 if created.error_code == 400 else 503, created.error_message)
    home = request.scope.get("root_path", "")
    return Response(status_code=204, headers={"HX-Redirect": f"{home}/audience/{created.error_message.task_id}"})


@router.get("/{task_id}", dependencies=READ)
def task_page(request: Request, task_id: TaskId, service: Service, may: MayRun) -> HTMLResponse:
    """Show a task: its figures, the coverage of its rules, and where to look at samples."""
    task = _task(service, task_id)
    coverage = service.coverage(task_id)
    content = coverage.content.model_dump() if coverage.content else None
    patterns = sorted(content["patterns"], key=lambda each: -each["matched"]) if content else []
    values = {
        "task": task,
        "tables": _tables(task),
        "coverage": content,
        "no_coverage": coverage.error_message,
        "patterns": patterns,
        "chart": _chart([each for each in patterns[:TOP] if each["matched"]]),
        "is_running": _is_running(task),
        "progress": service.progress(task_id),
    }
    return page(request, "audience/templates/task.html", may_run=may, **values)


@router.get("/{task_id}/progress", dependencies=READ)
def progress(request: Request, task_id: TaskId, service: Service) -> HTMLResponse:
    """Show how far a task has come, as part of its page; the whole page is loaded again at the end."""
    task = _task(service, task_id)
    if not _is_running(task):
        return HTMLResponse("", headers={"HX-Refresh": "true"})
    return page(request, "audience/templates/progress.html", task=task, progress=service.progress(task_id))


@router.get("/{task_id}/sample", dependencies=READ)
def sample(
    request: Request, task_id: TaskId, table_name: Annotated[TableName, Query()], service: Service
) -> HTMLResponse:
    """Show random rows of a result table with the matched text marked, as part of the page."""
    found = service.sample(task_id, [table_name])
    if isinstance(found.error_message, str):
        raise ApiError(404 if found.error_code in (400, 404) else 503, found.error_message)
    rules = service.rules(task_id)
    rows = [(row, *_marked(row, rules)) for row in found.error_message]
    return page(request, "audience/templates/sample.html", rows=rows, table=table_name)


@router.post("/{task_id}/abort", dependencies=[may_run(DAG), FROM_PAGE])
async def abort(request: Request, task_id: TaskId, service: Service) -> Response:
    """Abort a task, and load its page again."""
    await run_in_threadpool(_task, service, task_id)
    status = await routes.abort(request, task_id, service)
    if status.error_code != 200:
        raise ApiError(503, status.error_message)
    return Response(status_code=204, headers={"HX-Refresh": "true"})


def _task(service: AudienceService, task_id: str) -> dict[str, Any]:
    try:
        return service.task(task_id)
    except UnknownTaskError as error:
        raise ApiError(404, str(error)) from None


def _is_running(task: dict[str, Any]) -> bool:
    return task["stat"] == Stat.PENDING or (task["stat"] == Stat.SUCCESS and not task["prod_stat"])


def _tables(task: dict[str, Any]) -> list[ResultTable]:
    """Return the figures of a task's tables, which the table `state` has as lists in text."""
    names = [name for name in (task["result"] or "").split(",") if name]
    lists = [str(task[key] or "").split(",") for key in ("uniq_source_author", "length_prod_table", "rate_of_label")]
    padded = [[*each, *[""] * len(names)][: len(names)] for each in lists]
    return [ResultTable(*each) for each in zip(names, *padded, strict=True)]


def _marked(row: SampledRow, rules: Rules | None) -> tuple[str, str, str]:
    """Return the text of a sampled row in three parts, of which the second is what its panel's rule matched."""
    text = row.match_content
    patterns = [each for each in rules.patterns if f"/{each.panel}" == row.panel] if rules else []
    begin, end = first_span(patterns, text) or (len(text), len(text))
    return text[:begin], text[begin:end], text[end:]


def _chart(patterns: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the chart of what patterns have matched; `None` without any."""
    if not patterns:
        return None
    values = [
        {"pattern": f"{each['pattern']} {each['panel']}"[:40], "kind": kind, "posts": posts}
        for each in patterns
        for kind, posts in (("only this", each["sole"]), ("also others", each["matched"] - each["sole"]))
    ]
    return {
        "data": {"values": values},
        "mark": "bar",
        "height": 18 * len(patterns),
        "encoding": {
            "y": {"field": "pattern", "type": "nominal", "sort": None, "title": None},
            "x": {"field": "posts", "type": "quantitative"},
            "color": {"field": "kind", "type": "nominal", "title": None},
        },
    }
