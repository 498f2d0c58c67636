"""The audience API: create labeling tasks, follow them, look at their results, stop them.

Mounted at `/audience`; interactive documentation at `/audience/docs`. An answer is an object with `error_code` and
`error_message`, its HTTP status is 200; input that is not valid is answered with 422. Times are local to the zone in
AUDIENCE_TIME_ZONE. Each path may end with a slash or not.
"""

import logging
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool

from include.audience.request import LabelingRequest, make_task
from include.audience.settings import AudienceSettings
from quartet.api.audience import schemas as envelopes
from quartet.api.audience.schemas import Accepted, Coverage, Created, Sample, Status, TaskList
from quartet.api.audience.service import RESULT_TABLES, Desk
from quartet.api.common import runs
from quartet.api.common.auth import may_read, may_run
from quartet.api.common.docs import documented_app
from quartet.api.common.errors import documented
from quartet.api.common.limits import BodyLimit

log = logging.getLogger(__name__)

DAG = "audience_labeling"
MAX_BODY_BYTES = 1 << 20


def _known_table(name: str) -> str:
    if name not in RESULT_TABLES:
        raise PydanticCustomError("enum", "Input should be one of {names}", {"names": ", ".join(RESULT_TABLES)})
    return name


TableName = Annotated[
    str, AfterValidator(_known_table), WithJsonSchema({"type": "string", "enum": list(RESULT_TABLES)})
]


def create_app() -> FastAPI:
    """Make the app; settings are read now."""
    desk = Desk(AudienceSettings.load())
    app = documented_app(
        "audience labeling",
        __doc__,
        responses=documented(401, 403),
        redirect_slashes=False,
    )
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    envelopes.install(app)
    _operating(app, desk)
    _following(app, desk)
    _looking(app, desk)
    return app


def _operating(app: FastAPI, desk: Desk) -> None:
    guard: dict[str, Any] = {"dependencies": [may_run(DAG)]}

    @app.post("/api/tasks", **guard, include_in_schema=False)
    @app.post("/api/tasks/", **guard, responses=documented(413))
    async def create_task(request: Request, body: LabelingRequest) -> Created:
        """
        Create a task: label the posts of a time, then write who belongs to which panel.

        Refused with `error_code` 400 (the range is empty), 503 (no result database), 501 (no such rules) or 500 (it
        could not be started).
        """
        task = make_task(body, desk.settings)
        if refused := await run_in_threadpool(desk.refusal, task):
            return refused
        run_id = f"api__{task.task_id}"
        try:
            await run_in_threadpool(desk.insert, task, run_id)
            await runs.trigger(request, DAG, task.as_json(), run_id)
        except Exception as error:
            text = f"failed to start a labeling task, additional error message: {desk.told(error)}"
            log.exception("task %s was not started", task.task_id)
            await run_in_threadpool(desk.give_up, task, text)
            return Created(error_code=500, error_message=text)
        log.info("task %s: %s.%s, %s", task.task_id, task.target_schema, task.target_table, task.date_range)
        return Created(error_code=200, error_message=Accepted(**task.as_json(), date_range=task.date_range))

    @app.post("/api/tasks/{task_id}/abort/", **guard, response_model_exclude_unset=True, include_in_schema=False)
    @app.post("/api/tasks/{task_id}/abort", **guard, response_model_exclude_unset=True)
    async def abort(request: Request, task_id: str) -> Status:
        """
        Stop a task for good: nothing more is written for it. A task that has ended is left as it is.

        Refused with `error_code` 400: the id is unknown.
        """
        status, run_id = await run_in_threadpool(desk.stop, task_id)
        if run_id:
            try:
                await runs.fail(request, DAG, run_id)
            except Exception:
                log.warning("task %s was aborted, but its run %s was not ended", task_id, run_id, exc_info=True)
        return status


def _following(app: FastAPI, desk: Desk) -> None:
    guard: dict[str, Any] = {"dependencies": [may_read(DAG)]}

    @app.get("/api/tasks", **guard, include_in_schema=False)
    @app.get("/api/tasks/", **guard)
    def task_list() -> TaskList:
        """List the newest tasks, newest first; with `error_code` 500 when the database cannot be read."""
        return desk.newest()

    @app.get("/api/tasks/{task_id}/", **guard, response_model_exclude_unset=True, include_in_schema=False)
    @app.get("/api/tasks/{task_id}", **guard, response_model_exclude_unset=True)
    def check_status(task_id: str) -> Status:
        """Tell how far a task is; `error_code` 400 when there is no such task."""
        return desk.status(task_id)


def _looking(app: FastAPI, desk: Desk) -> None:
    guard: dict[str, Any] = {"dependencies": [may_read(DAG)]}

    @app.get("/api/tasks/{task_id}/sample", **guard, include_in_schema=False)
    @app.get("/api/tasks/{task_id}/sample/", **guard)
    def sample_result(
        task_id: str, table_name: Annotated[list[TableName], Query(description="may be given several times")]
    ) -> Sample:
        """
        Draw rows of a task at random from result tables; while it is being labelled, from what was labelled so far.

        Refused with `error_code` 400 (not an id), 404 (no rows) or 500 (the database cannot be read).
        """
        return desk.sample(task_id, list(dict.fromkeys(table_name)))

    @app.get("/api/tasks/{task_id}/coverage/", **guard, include_in_schema=False)
    @app.get("/api/tasks/{task_id}/coverage", **guard)
    def coverage(task_id: str) -> Coverage:
        """
        Tell what each panel and each pattern of a labelled task has matched, and which patterns never did.

        Refused with `error_code` 400 (no such task), 404 (it is not labelled) or 500 (database or storage cannot be
        read).
        """
        return desk.coverage(task_id)
