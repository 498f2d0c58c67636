"""The pages of the movie ratings: models and data with their history, predictions with their reasons."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from include.core.provenance import Row
from include.core.storage import list_objects, read_json
from include.ratings import layout
from include.ratings.errors import BadRowsError, UnknownVersionError
from include.ratings.models import cards
from include.ratings.models.champion import read_champion
from include.ratings.settings import RatingsSettings
from quartet.api.common import runs
from quartet.api.common.auth import may_read, may_run
from quartet.api.common.errors import ApiError
from quartet.api.common.pages import FROM_PAGE, Summary, can_run, number, page
from quartet.api.ratings.routes import PREDICT, TRAIN
from quartet.api.ratings.schemas import MAX_INTEGER
from quartet.api.ratings.service import InvalidRequestError, RatingsService
from quartet.hooks.storage import StorageHook

MODELS = 50
"""Newest models and versions of the data that are shown."""
MAX_ROWS = 1000
"""Predictions of a file that are shown."""

router = APIRouter()


def _service() -> RatingsService:
    return RatingsService(RatingsSettings.load())


Service = Annotated[RatingsService, Depends(_service)]
MayTrain = Annotated[bool, can_run(TRAIN)]
MayPredict = Annotated[bool, can_run(PREDICT)]
Version = Annotated[int, Path(ge=0, lt=MAX_INTEGER)]


def summary() -> Summary:
    """Return the champion, for the overview."""
    root = StorageHook().path("ratings")
    champion = read_champion(root)
    card = cards.read_card(root, champion.version) if champion else None
    if card is None:
        return Summary()
    metrics = card.metrics
    words = f"model {card.version} on {number(metrics.get('rows'))} ratings"
    if "holdout_rmse" in metrics:
        words += f", holdout RMSE {number(metrics['holdout_rmse'], 4)}"
    return Summary(words, datetime.fromisoformat(card.created_at))


@router.get("/", dependencies=[may_read(TRAIN)])
def models_page(request: Request, service: Service, may_train: MayTrain, may_predict: MayPredict) -> HTMLResponse:
    """Show the models, their comparison, the versions of the data, and a form for predictions."""
    found = service.models(MODELS)
    values = {
        **found,
        "commits": service.commits(MODELS),
        "chart": _accuracy(found["models"], found["champion"]),
        "comparison": _comparison(_newest_selection(service)),
        "may_train": may_train,
        "may_predict": may_predict,
    }
    return page(request, "ratings/templates/models.html", **values)


@router.get("/diff/{older}/{newer}", dependencies=[may_read(TRAIN)])
def diff_page(request: Request, older: Version, newer: Version, service: Service) -> HTMLResponse:
    """Show how two versions of the training data differ."""
    try:
        found = service.difference(older, newer)
    except UnknownVersionError as error:
        raise ApiError(404, str(error)) from None
    return page(request, "ratings/templates/diff.html", older=older, newer=newer, found=found)


@router.post("/predict", dependencies=[may_run(PREDICT), FROM_PAGE])
def ask(request: Request, service: Service, pairs: Annotated[str, Form(max_length=100_000)] = "") -> HTMLResponse:
    """Submit pairs, and show the part of the page in which their predictions will arrive."""
    rows = [line.strip() for line in pairs.splitlines() if line.strip()]
    expected = "One pair of user and movie a line was expected, such as 233 346"
    if not rows:
        raise ApiError(422, f"{expected}; found nothing")
    try:
        filename = service.submit_pairs(rows)
    except BadRowsError as error:
        reasons = "; ".join(f"line {index + 1}: {reason}" for index, reason in error.errors[:5])
        raise ApiError(422, f"{expected}. {reasons}") from None
    except InvalidRequestError as error:
        raise ApiError(422, str(error)) from None
    return page(request, "ratings/templates/waiting.html", filename=filename)


@router.get("/predictions/{filename}", dependencies=[may_read(PREDICT)])
def predictions(request: Request, filename: str, service: Service, model: int | None = None) -> HTMLResponse:
    """Show the predictions for a file, or that they are still to come."""
    try:
        found = service.result(filename, model)
    except UnknownVersionError as error:
        raise ApiError(404, str(error)) from None
    except InvalidRequestError as error:
        raise ApiError(422, str(error)) from None
    if found.error:
        raise ApiError(422, found.error)
    if not found.ready:
        return page(request, "ratings/templates/waiting.html", filename=filename)
    lines = (found.data or "").splitlines()
    by = model if model is not None else service.predicted_with(filename)
    rows = [
        (*line.split(" "), str(Row("ratings", ("predictions", str(by), filename, str(place)))))
        for place, line in enumerate(lines[:MAX_ROWS], start=1)
    ]
    values = {"filename": filename, "model": by, "rows": rows, "count": len(lines)}
    return page(request, "ratings/templates/predictions.html", **values)


@router.post("/rollback", dependencies=[may_run(TRAIN), FROM_PAGE])
async def rollback(
    request: Request, service: Service, model: Annotated[int, Form(ge=1, lt=MAX_INTEGER)]
) -> HTMLResponse:
    """Make another model the champion."""
    try:
        await run_in_threadpool(service.check_model, model)
    except UnknownVersionError as error:
        raise ApiError(404, str(error)) from None
    run_id = await runs.trigger(request, TRAIN, {"model": model})
    return page(request, "ratings/templates/started.html", dag_id=TRAIN, run_id=run_id, model=model)


def _newest_selection(service: RatingsService) -> dict[str, Any] | None:
    folder = layout.selections(service.root)
    names = sorted(list_objects(folder))
    return read_json(folder / names[-1]) if names else None


def _accuracy(models: list[dict[str, Any]], champion: int | None) -> dict[str, Any] | None:
    """Return the chart of the models' holdout RMSE; `None` without any."""
    values = [
        {
            "model": each["version"],
            "rmse": each["metrics"]["holdout_rmse"],
            "is": "champion" if each["version"] == champion else "other",
        }
        for each in reversed(models)
        if "holdout_rmse" in each["metrics"]
    ]
    if not values:
        return None
    x = {"field": "model", "type": "ordinal", "axis": {"labelAngle": 0}}
    y = {"field": "rmse", "type": "quantitative", "title": "holdout RMSE, stars", "scale": {"zero": False}}
    colour = {"field": "is", "type": "nominal", "title": None, "scale": {"domain": ["champion", "other"]}}
    points = {"mark": {"type": "point", "filled": True, "size": 90}, "encoding": {"x": x, "y": y, "color": colour}}
    return {
        "data": {"values": values},
        "layer": [{"mark": {"type": "line", "opacity": 0.4}, "encoding": {"x": x, "y": y}}, points],
    }


def _comparison(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the newest comparison of algorithms, with its chart; `None` if there is none."""
    if found is None:
        return None
    values = [
        {"algorithm": each["algorithm"], "rmse": each["rmse"], "seconds": max(each["fit_seconds"], 0.001)}
        for each in found["scores"]
        if each["rmse"] is not None
    ]
    x = {"field": "seconds", "type": "quantitative", "scale": {"type": "log"}, "title": "seconds to fit"}
    y = {"field": "rmse", "type": "quantitative", "scale": {"zero": False}, "title": "RMSE, stars"}
    chart = {
        "data": {"values": values},
        "encoding": {"x": x, "y": y},
        "layer": [
            {"mark": {"type": "point", "filled": True, "size": 70}},
            {"mark": {"type": "text", "align": "left", "dx": 7}, "encoding": {"text": {"field": "algorithm"}}},
        ],
    }
    return {**found, "chart": chart}
