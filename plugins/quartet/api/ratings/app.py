"""The ratings API: submit ratings and pairs, fetch predictions, look back, go back.

Mounted at `/ratings`; interactive documentation at `/ratings/docs`. Submitting only puts a file into storage: a watcher
sees it and starts the work, as it does for a file that is dropped there by hand.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from pydantic import BaseModel, Field, StrictInt, StrictStr, model_validator
from starlette.concurrency import run_in_threadpool

from include.ratings import landing, ledger, models, names, prediction, provenance, reports, rows
from include.ratings.settings import RatingsSettings
from quartet.api.common import runs
from quartet.api.common.auth import may_read, may_run
from quartet.api.common.docs import documented_app
from quartet.api.common.errors import ApiError, RowError, documented, install_error_handlers
from quartet.api.common.limits import BodyLimit
from quartet.hooks.storage import StorageHook

TRAIN, PREDICT = "ratings_train", "ratings_predict"
DAGS: dict[reports.Pipeline, str] = {"train": TRAIN, "predict": PREDICT}
REPOS: dict[reports.Pipeline, landing.Repo] = {"train": "training", "predict": "streaming"}

Version = Annotated[int, Path(ge=0, lt=2**53)]
Limit = Annotated[int, Query(ge=1, le=100, description="how many at most")]


class Rows(BaseModel):
    """Rows to submit."""

    data: list[StrictStr] = Field(min_length=1, description="one text a row")


class Ratings(Rows):
    """Ratings to train on: `user movie rating timestamp`."""

    model_config = {"json_schema_extra": {"examples": [{"data": ["244 346 2 880606923", "244 355 3 880606924"]}]}}


class Pairs(Rows):
    """Pairs whose rating is asked for: `user movie`."""

    model_config = {"json_schema_extra": {"examples": [{"data": ["233 346", "125 378"]}]}}


class Submitted(BaseModel):
    """Where the rows went."""

    filename: str


class ResultOf(BaseModel):
    """Which answer to fetch."""

    filename: StrictStr = Field(examples=["predict-2019-05-09T16:35:04.313814.txt"])


class Result(BaseModel):
    """An answer, or why there is none (yet)."""

    ready: bool
    data: str | None = Field(default=None, description="lines `user movie rating`, in the order of the request")
    error: str | None = Field(default=None, description="why there will be none unless something changes")


class Rollback(BaseModel):
    """What to go back to: a model version or a training version."""

    model: StrictInt | None = Field(default=None, ge=1, lt=2**53)
    training: StrictInt | None = Field(default=None, ge=0, lt=2**53)

    @model_validator(mode="after")
    def _one_of_both(self) -> "Rollback":
        if (self.model is None) == (self.training is None):
            raise ValueError("either model or training was expected")
        return self


class Started(BaseModel):
    """The DAG run that does it."""

    dag_run_id: str


def create_app() -> FastAPI:
    """Make the app; settings are read now."""
    settings = RatingsSettings.load()
    app = documented_app("movie ratings", __doc__, responses=documented(401, 403, 503))
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    install_error_handlers(app)
    _submitting(app, settings.max_rows)
    _results(app)
    _history(app)
    _operating(app)
    return app


def _submitting(app: FastAPI, max_rows: int) -> None:
    @app.post("/train", dependencies=[may_run(TRAIN)], responses=documented(413, 422))
    def train(body: Ratings) -> Submitted:
        """Submit ratings; a model that has them is trained within seconds."""
        return _submit("training", body.data, rows.parse_rating, max_rows)

    @app.post("/predict", dependencies=[may_run(PREDICT)], responses=documented(413, 422))
    def predict(body: Pairs) -> Submitted:
        """Ask for the ratings of pairs; fetch the answer by the file name."""
        return _submit("streaming", body.data, rows.parse_pair, max_rows)


def _submit(repo: landing.Repo, data: list[str], parse: Callable[[str], Any], max_rows: int) -> Submitted:
    if len(data) > max_rows:
        raise ApiError(422, f"data: at most {max_rows} rows were expected, found {len(data)}; nothing was written")
    try:
        rows.parse_all(data, parse)
    except rows.BadRowsError as error:
        problems = [RowError(index=index, reason=reason) for index, reason in error.problems]
        raise ApiError(422, f"{error}; nothing was written", problems) from None
    normalised = map(rows.normalised, data)
    return Submitted(filename=landing.submit(_root(), repo, normalised, datetime.now(UTC)))


def _results(app: FastAPI) -> None:
    guard: dict[str, Any] = {"dependencies": [may_read(PREDICT)], "response_model_exclude_none": True}

    @app.post("/result", **guard, responses=documented(413, 422))
    def result(body: ResultOf) -> Result:
        """Fetch the newest answer to a `/predict`."""
        return _result(body.filename, None)

    @app.get("/result/{filename:path}", **guard, responses=documented(404, 422))
    def result_of(filename: str, model: Annotated[int | None, Query(ge=1, lt=2**53)] = None) -> Result:
        """Fetch the newest answer to a `/predict`, or that of an earlier model."""
        return _result(filename, model)

    @app.get("/predictions/{filename}/why", dependencies=[may_read(PREDICT)], responses=documented(404, 422))
    def why(
        filename: str,
        line: Annotated[int | None, Query(ge=1, lt=2**53, description="a line of the answer, from 1")] = None,
        model: Annotated[int | None, Query(ge=1, lt=2**53, description="default: the newest answer")] = None,
    ) -> dict[str, Any]:
        """Trace an answer back to the data, the model, the metrics, the code and the DAG runs that made it."""
        root = _root()
        found = prediction.answer(root, _checked(filename), _versions(root, model))
        history = _ledger()
        if found is None or history is None:
            raise ApiError(404, f"there is no answer to {filename} yet")
        try:
            return provenance.why(root, history, filename, found[0], line)
        except provenance.UnknownPredictionError as error:
            raise ApiError(404, str(error)) from None


def _result(filename: str, model: int | None) -> Result:
    root = _root()
    name = _checked(filename)
    if model is not None and models.read_card(root, model) is None:
        raise ApiError(404, f"model version {model} does not exist")
    versions = _versions(root, model)
    if found := prediction.answer(root, name, versions):
        return Result(ready=True, data=found[1])
    if refused := landing.refusal(root, "streaming", name):
        return Result(ready=False, error=refused["reason"])
    return Result(ready=False, error=prediction.failure(root, versions[0]) if versions else None)


def _checked(filename: str) -> str:
    if not names.is_issued(filename, "predict"):
        raise ApiError(422, "filename: a name that /predict gave was expected, predict-YYYY-MM-DDThh:mm:ss.ffffff.txt")
    return filename


def _versions(root: Any, model: int | None) -> list[int]:
    if model is not None:
        return [model]
    champion = models.champion(root)
    return [champion.version, *champion.previous] if champion else []


def _history(app: FastAPI) -> None:
    reads: dict[str, Any] = {"dependencies": [may_read(TRAIN)]}

    @app.get("/commits", **reads, responses=documented(422))
    def commits(limit: Limit = 50) -> dict[str, list[dict[str, Any]]]:
        """List the versions of the training data, newest first."""
        history = _ledger()
        return {"commits": [_commit(entry) for entry in history.history(limit)] if history else []}

    @app.get("/commits/{older}/diff/{newer}", **reads, responses=documented(404, 422))
    def diff(older: Version, newer: Version) -> dict[str, Any]:
        """Compare two versions of the training data: files, rows added, replaced, removed."""
        try:
            return asdict(ledger.difference(_some_ledger(), older, newer))
        except ledger.UnknownVersionError as error:
            raise ApiError(404, str(error)) from None

    @app.get("/commits/{version}/used-by", **reads, responses=documented(404, 422))
    def commit_used_by(version: Version) -> dict[str, Any]:
        """List the models that were trained on a version of the training data."""
        try:
            _some_ledger().check_version(version)
        except ledger.UnknownVersionError as error:
            raise ApiError(404, str(error)) from None
        return {"version": version, "models": provenance.models_trained_on(_root(), version)}

    @app.get("/models", **reads, responses=documented(422))
    def list_models(limit: Limit = 50) -> dict[str, Any]:
        """List the models, newest first, with what made them and how good they are."""
        root = _root()
        champion = models.champion(root)
        cards = (models.read_card(root, version) for version in models.versions(root)[:limit])
        return {
            "champion": champion.version if champion else None,
            "models": [asdict(card) for card in cards if card],
            "promotions": models.promotions(root, limit),
        }

    @app.get("/models/{version}/used-by", **reads, responses=documented(404, 422))
    def model_used_by(version: Version) -> dict[str, Any]:
        """List the answers that a model has given."""
        root = _root()
        if models.read_card(root, version) is None:
            raise ApiError(404, f"model version {version} does not exist")
        return {"version": version, "predictions": prediction.answered_by(root, version)}


def _operating(app: FastAPI) -> None:
    @app.get("/jobs", dependencies=[may_read(TRAIN)], responses=documented(422))
    async def jobs(request: Request, limit: Limit = 20) -> dict[str, Any]:
        """List what was done, newest first, and the files that were refused."""
        found: list[tuple[reports.Pipeline, dict[str, Any]]] = []
        for pipeline, dag_id in DAGS.items():
            try:
                listed = await runs.list_runs(request, dag_id, limit)
            except ApiError as error:
                if error.status != 404:  # Airflow does not know a DAG in the first seconds of its life
                    raise
                listed = []
            for run in listed:
                found.append((pipeline, run))
        found.sort(key=lambda each: each[1]["run_after"], reverse=True)
        return await run_in_threadpool(_jobs, found[:limit])

    @app.post("/rollback", status_code=202, dependencies=[may_run(TRAIN)], responses=documented(404, 413, 422))
    async def rollback(request: Request, body: Rollback) -> Started:
        """Go back to a model version, or to a version of the training data; nothing is lost, forward is possible."""
        await run_in_threadpool(_check_exists, body)
        params = body.model_dump(exclude_none=True)
        return Started(dag_run_id=await runs.trigger(request, TRAIN, params))


def _check_exists(body: Rollback) -> None:
    if body.model is not None and models.read_card(_root(), body.model) is None:
        raise ApiError(404, f"model version {body.model} does not exist")
    if body.training is not None:
        try:
            _some_ledger().check_version(body.training)
        except ledger.UnknownVersionError as error:
            raise ApiError(404, str(error)) from None


def _jobs(found: Iterable[tuple[reports.Pipeline, dict[str, Any]]]) -> dict[str, Any]:
    root = _root()
    return {
        "jobs": [_job(pipeline, run, reports.read(root, pipeline, run["dag_run_id"]) or {}) for pipeline, run in found],
        "refused": [
            {"pipeline": pipeline, "file": refusal["file"], "reason": refusal["reason"]}
            for pipeline, repo in REPOS.items()
            for refusal in landing.refusals(root, repo).values()
        ],
    }


def _job(pipeline: str, run: dict[str, Any], report: Any) -> dict[str, Any]:
    return {
        "pipeline": pipeline,
        "dag_run_id": run["dag_run_id"],
        "state": run["state"],
        "start": run["start_date"],
        "duration": run["duration"],
        "input": report.get("input", []),
        "output": report.get("output", []),
        "made": report.get("made"),
        "reason": report.get("reason"),
        "counts": report.get("counts", {}),
    }


def _commit(entry: ledger.Entry) -> dict[str, Any]:
    return asdict(entry) | {"time": datetime.fromtimestamp(entry.time, UTC).isoformat()}


def _root() -> Any:
    return StorageHook().path("ratings")


def _ledger() -> ledger.Ledger | None:
    return ledger.Ledger.existing(StorageHook().store("ratings", "training_table"))


def _some_ledger() -> ledger.Ledger:
    if found := _ledger():
        return found
    raise ApiError(404, "there are no training data yet")
