"""The routes of the ratings API."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from include.ratings.layout import Job
from quartet.api.common import runs
from quartet.api.common.auth import may_read, may_run
from quartet.api.common.bounds import MAX_LISTED, Offset, part
from quartet.api.common.bounds import Limit as ListLimit
from quartet.api.common.errors import ApiError, documented
from quartet.api.ratings.schemas import (
    MAX_INTEGER,
    Commits,
    CommitUsers,
    Jobs,
    Models,
    ModelUsers,
    Pairs,
    Ratings,
    Result,
    ResultRequest,
    Rollback,
    Started,
    Submitted,
)
from quartet.api.ratings.service import RatingsService

TRAIN, PREDICT = "ratings_train", "ratings_predict"
DAGS: dict[Job, str] = {"train": TRAIN, "predict": PREDICT}

router = APIRouter()


def _service(request: Request) -> RatingsService:
    return RatingsService(request.app.state.settings)


Service = Annotated[RatingsService, Depends(_service)]
Version = Annotated[int, Path(ge=0, lt=MAX_INTEGER)]
Limit = Annotated[int, Query(ge=1, le=100, description="maximum number")]


@router.post("/train", dependencies=[may_run(TRAIN)], responses=documented(413, 422))
def train(body: Ratings, service: Service) -> Submitted:
    """Submit ratings; a model trained with them is there within seconds."""
    return Submitted(filename=service.submit_ratings(body.data))


@router.post("/predict", dependencies=[may_run(PREDICT)], responses=documented(413, 422))
def predict(body: Pairs, service: Service) -> Submitted:
    """Submit pairs to predict; fetch the predictions by the file name."""
    return Submitted(filename=service.submit_pairs(body.data))


@router.post(
    "/result", dependencies=[may_read(PREDICT)], response_model_exclude_none=True, responses=documented(413, 422)
)
def result(body: ResultRequest, service: Service) -> Result:
    """Fetch the newest predictions for the pairs of a `/predict`."""
    return service.result(body.filename)


@router.get(
    "/result/{filename:path}",
    dependencies=[may_read(PREDICT)],
    response_model_exclude_none=True,
    responses=documented(404, 422),
)
def result_of(
    filename: str, service: Service, model: Annotated[int | None, Query(ge=1, lt=MAX_INTEGER)] = None
) -> Result:
    """Fetch the newest predictions for the pairs of a `/predict`, or those of an earlier model."""
    return service.result(filename, model)


@router.get("/predictions/{filename}/why", dependencies=[may_read(PREDICT)], responses=documented(404, 422))
def why(
    filename: str,
    service: Service,
    line: Annotated[int | None, Query(ge=1, lt=MAX_INTEGER, description="a line of the predictions, from 1")] = None,
    model: Annotated[int | None, Query(ge=1, lt=MAX_INTEGER, description="default: the newest predictions")] = None,
) -> dict[str, Any]:
    """Trace a prediction back to the data, the model, the metrics, the code and the DAG runs that made it."""
    return service.why(filename, line, model)


@router.get("/commits", dependencies=[may_read(TRAIN)], responses=documented(422))
def commits(service: Service, limit: Limit = 50) -> Commits:
    """List the versions of the training data, newest first."""
    return Commits(commits=service.commits(limit))


@router.get("/commits/{older}/diff/{newer}", dependencies=[may_read(TRAIN)], responses=documented(404, 422))
def diff(older: Version, newer: Version, service: Service) -> dict[str, Any]:
    """Compare two versions of the training data: files, rows added, replaced, removed."""
    return service.difference(older, newer)


@router.get(
    "/commits/{version}/used-by",
    dependencies=[may_read(TRAIN)],
    response_model_exclude_none=True,
    responses=documented(404, 422),
)
def commit_used_by(
    version: Version, service: Service, limit: ListLimit = MAX_LISTED, offset: Offset = 0
) -> CommitUsers:
    """List the models that were trained on a version of the training data."""
    listed, more = part(service.models_trained_on(version), limit, offset)
    return CommitUsers(version=version, models=listed, more=more)


@router.get("/models", dependencies=[may_read(TRAIN)], responses=documented(422))
def models(service: Service, limit: Limit = 50) -> Models:
    """List the models, newest first, with their provenance and accuracy."""
    return Models(**service.models(limit))


@router.get(
    "/models/{version}/used-by",
    dependencies=[may_read(TRAIN)],
    response_model_exclude_none=True,
    responses=documented(404, 422),
)
def model_used_by(version: Version, service: Service, limit: ListLimit = MAX_LISTED, offset: Offset = 0) -> ModelUsers:
    """List the files that a model has predicted."""
    listed, more = part(service.predicted_by(version), limit, offset)
    return ModelUsers(version=version, predictions=listed, more=more)


@router.get("/jobs", dependencies=[may_read(TRAIN)], response_model_exclude_unset=True, responses=documented(422))
async def jobs(
    request: Request,
    service: Service,
    limit: Limit = 20,
    offset: Annotated[Offset, Query(description="refused files to pass over, to read on")] = 0,
) -> Jobs:
    """List the runs and what they did, newest first, and the refused files, at most 1,000 of them."""
    found: list[tuple[Job, dict[str, Any]]] = []
    for job, dag_id in DAGS.items():
        try:
            listed = await runs.list_runs(request, dag_id, limit)
        except ApiError as error:
            if error.status != 404:  # a DAG is unknown to Airflow in the first seconds
                raise
            continue
        for run in listed:
            found.append((job, run))
    found.sort(key=lambda each: each[1]["run_after"], reverse=True)
    return Jobs(**await run_in_threadpool(service.jobs, found[:limit], offset))


@router.post("/rollback", status_code=202, dependencies=[may_run(TRAIN)], responses=documented(404, 413, 422))
async def rollback(request: Request, body: Rollback, service: Service) -> Started:
    """Go back to a model version or to a version of the training data; nothing is lost, forward is possible."""
    if body.model is not None:
        await run_in_threadpool(service.check_model, body.model)
    if body.training is not None:
        await run_in_threadpool(service.check_training, body.training)
    return Started(dag_run_id=await runs.trigger(request, TRAIN, body.model_dump(exclude_none=True)))
