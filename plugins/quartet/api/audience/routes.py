"""Routes of the audience API. Each path answers with and without a slash at its end; one of both is documented."""

import logging
import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool

from include.audience.request import LabelingRequest
from include.audience.results.state import Stat
from quartet.api.audience import preview
from quartet.api.audience.schemas import Coverage, Created, Preview, PreviewBody, Sample, Status, TaskList
from quartet.api.audience.service import RESULT_TABLES, RUN_PREFIX, AudienceService
from quartet.api.common import runs
from quartet.api.common.auth import may_read, may_run
from quartet.api.common.errors import ApiError, documented

log = logging.getLogger(__name__)

DAG = "audience_labeling"
PREVIEW_DAG = "audience_rules_preview"
READ, WRITE = [may_read(DAG)], [may_run(DAG)]

router = APIRouter()


async def _service(request: Request) -> AudienceService:
    return request.app.state.service


def _known_table(name: str) -> str:
    if name not in RESULT_TABLES:
        raise PydanticCustomError("enum", "Input should be one of {names}", {"names": ", ".join(RESULT_TABLES)})
    return name


async def _close_unopened(request: Request, service: AudienceService) -> bool:
    """Mark tasks as failed whose run does not exist: the server ended before it started the run. Never fails."""
    closed = False
    try:
        for task_id, run_id in (await run_in_threadpool(service.unopened)).items():
            try:
                await runs.get_run(request, DAG, run_id)
            except ApiError as error:
                if error.status == 404:
                    await run_in_threadpool(service.close_unopened, task_id)
                    closed = True
    except Exception:
        log.warning("Tasks without a run could not be looked for", exc_info=True)
    return closed


async def _end_run(request: Request, task_id: str, run_id: str | None) -> None:
    """End the run of a task that was aborted or deleted. Never fails: nothing more is written for it anyway."""
    if run_id:
        try:
            await runs.fail(request, DAG, run_id)
        except Exception:
            log.warning("task %s was aborted, but its run %s was not ended", task_id, run_id, exc_info=True)


Service = Annotated[AudienceService, Depends(_service)]
TableName = Annotated[
    str, AfterValidator(_known_table), WithJsonSchema({"type": "string", "enum": list(RESULT_TABLES)})
]


@router.post("/api/tasks", dependencies=WRITE, include_in_schema=False)
@router.post("/api/tasks/", dependencies=WRITE, responses=documented(413))
async def create_task(request: Request, body: LabelingRequest, service: Service) -> Created:
    """
    Create a task: label the posts of a time range, then write who belongs to which panel.

    Rejected with `error_code` 400 (empty time range), 503 (no result database), 501 (no such rules) or 500 (the run
    could not be started).
    """
    task = service.task_of(body)
    if rejected := await run_in_threadpool(service.reject, task):
        return rejected
    run_id = f"{RUN_PREFIX}{task.task_id}"
    try:
        await run_in_threadpool(service.insert, task, run_id)
        await runs.trigger(request, DAG, task.as_json(), run_id)
    except Exception as error:
        return await run_in_threadpool(service.not_started, task, error)
    return service.created(task)


@router.get("/api/tasks", dependencies=READ, include_in_schema=False)
@router.get("/api/tasks/", dependencies=READ)
async def task_list(request: Request, service: Service) -> TaskList:
    """List the newest tasks, newest first; with `error_code` 500 if the database cannot be read."""
    listed = await run_in_threadpool(service.newest)
    if listed.error_code == 200 and await _close_unopened(request, service):
        return await run_in_threadpool(service.newest)
    return listed


@router.get("/api/tasks/{task_id}/", dependencies=READ, response_model_exclude_unset=True, include_in_schema=False)
@router.get("/api/tasks/{task_id}", dependencies=READ, response_model_exclude_unset=True)
async def check_status(request: Request, task_id: str, service: Service) -> Status:
    """Return the status of a task; `error_code` 400 if it does not exist."""
    status = await run_in_threadpool(service.status, task_id)
    if status.status == Stat.PENDING and await _close_unopened(request, service):
        return await run_in_threadpool(service.status, task_id)
    return status


@router.get("/api/tasks/{task_id}/sample", dependencies=READ, include_in_schema=False)
@router.get("/api/tasks/{task_id}/sample/", dependencies=READ)
def sample_result(
    task_id: str,
    table_name: Annotated[list[TableName], Query(description="may be given several times")],
    service: Service,
) -> Sample:
    """
    Draw random rows of a task from result tables, or from the labelled rows while the task is being labelled.

    Rejected with `error_code` 400 (not an id), 404 (no rows) or 500 (the database cannot be read).
    """
    return service.sample(task_id, list(dict.fromkeys(table_name)))


@router.post(
    "/api/tasks/{task_id}/abort/", dependencies=WRITE, response_model_exclude_unset=True, include_in_schema=False
)
@router.post("/api/tasks/{task_id}/abort", dependencies=WRITE, response_model_exclude_unset=True)
async def abort(request: Request, task_id: str, service: Service) -> Status:
    """
    Abort a task for good: nothing more is written for it. A task that has ended is not changed.

    Rejected with `error_code` 400 if the task does not exist.
    """
    status, run_id = await run_in_threadpool(service.abort, task_id)
    await _end_run(request, task_id, run_id)
    return status


@router.delete("/api/tasks/{task_id}/", dependencies=WRITE, response_model_exclude_unset=True, include_in_schema=False)
@router.delete("/api/tasks/{task_id}", dependencies=WRITE, response_model_exclude_unset=True)
async def delete_task(request: Request, task_id: str, service: Service) -> Status:
    """
    Delete a task for good: its labelled rows, results, counts, files and its row; one that runs is aborted first.

    Rejected with `error_code` 400 if the task does not exist, or something cannot be deleted; then repeat it.
    """
    status, run_id = await run_in_threadpool(service.delete, task_id)
    await _end_run(request, task_id, run_id)
    return status


@router.post("/api/rules/preview/", dependencies=[may_run(PREVIEW_DAG)], include_in_schema=False)
@router.post("/api/rules/preview", dependencies=[may_run(PREVIEW_DAG)], responses=documented(413))
async def preview_rules(request: Request, body: PreviewBody, service: Service) -> Preview:
    """
    Compare new rules with those in force on the posts of a time range; no result is written.

    `rules` is the text of a rules file, `folder` the name of a folder with rules below AUDIENCE_RULES_DIR. With
    `background`, the answer is a `preview_id` with `error_code` 202, for the other route. Rejected with `error_code`
    400 (rules, range or schema), 503 (no database, or not ready in AUDIENCE_PREVIEW_SECONDS) or 500.
    """
    if not body.background:
        return await run_in_threadpool(preview.run, body, service.settings)
    preview_id = uuid.uuid4().hex
    conf = await run_in_threadpool(preview.pin, body, preview_id)
    await runs.trigger(request, PREVIEW_DAG, conf, f"api__{preview_id}")
    return Preview(error_code=202, error_message="started", content=None, preview_id=preview_id)


@router.get("/api/rules/preview/{preview_id}/", dependencies=[may_read(PREVIEW_DAG)], include_in_schema=False)
@router.get("/api/rules/preview/{preview_id}", dependencies=[may_read(PREVIEW_DAG)])
def preview_report(preview_id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")]) -> Preview:
    """Return the report of a preview in the background; `error_code` 404 if it is not ready or no longer kept."""
    return preview.read(preview_id)


@router.get("/api/tasks/{task_id}/coverage/", dependencies=READ, include_in_schema=False)
@router.get("/api/tasks/{task_id}/coverage", dependencies=READ)
def coverage(task_id: str, service: Service) -> Coverage:
    """
    Return the number of rows that each panel and each pattern of a labelled task has matched.

    `never_fired` lists the patterns without a match. Rejected with `error_code` 400 (no such task), 404 (not labelled)
    or 500 (the database or the storage cannot be read).
    """
    return service.coverage(task_id)
