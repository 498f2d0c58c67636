"""The song plays API: which days are there, what they were made from, their counts, their files.

Mounted at `/songs`; interactive documentation at `/songs/docs`. It only reads. A day is a calendar day in the zone of
SONGS_REPORT_TIMEZONE, written `YYYY-MM-DD`.
"""

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from include.core.storage import StoragePath, find_object, read_json
from include.songs import layout, results
from include.songs.downloads import Version
from include.songs.layout import DayError, DayFiles
from include.songs.results import Count
from include.songs.schemas import SUCCESS
from quartet.api.common.auth import may_read
from quartet.api.common.docs import documented_app
from quartet.api.common.errors import ApiError, documented, install_error_handlers
from quartet.hooks.storage import StorageHook

DAG = "song_plays"
GZIP = "application/gzip"
OUTPUTS: dict[str, results.FolderOf] = {"dataset": layout.dataset_folder, "counts": layout.counts_folder}

State = Literal["complete", "incomplete", "fetched", "waiting"]


def _day(text: str) -> date:
    try:
        return layout.parse_day(text)
    except DayError:
        raise PydanticCustomError("day", "a day as 2019-02-08 was expected") from None


Day = Annotated[date, BeforeValidator(_day), Path(examples=["2019-02-08"])]


class DayState(BaseModel):
    """What is there of a day."""

    day: date
    state: State = Field(
        description="`complete`: dataset and counts are there; `incomplete`: only one of both, the next run makes both "
        "anew; `fetched`: spins and listeners are there, and neither dataset nor counts; `waiting`: spins or listeners "
        "are not fetched yet"
    )
    spins: bool = Field(description="whether the day's spins are there")
    listeners: bool = Field(description="whether listeners are there that were fetched for the day")
    dataset: bool = Field(description="whether it is there and complete")
    counts: bool = Field(description="whether they are there and complete")


class Days(BaseModel):
    """Days, newest first."""

    days: list[DayState]


class Inputs(BaseModel):
    """Which content of spins and listeners a day was made from."""

    spins: Version | None = Field(default=None, description="`null`: the file was put there by hand, or long ago")
    listeners: Version | None = None


class DayReport(DayState):
    """What is there of a day, and how it was made; what is not known, or was not made yet, is `null`."""

    rows: int | None = Field(default=None, description="rows of the dataset")
    groups: int | None = Field(default=None, description="rows of the counts")
    minrows: int | None = Field(default=None, description="least rows that were asked for")
    metrics: dict[str, Any] | None = Field(default=None, description="figures of the job")
    engine: str | None = None
    run_id: str | None = Field(default=None, description="the DAG run that made it")
    finished_at: str | None = Field(default=None, description="ISO 8601")
    inputs: Inputs


class Counts(BaseModel):
    """Plays of a day by zip code and subscription type, sorted by both."""

    day: date
    rows: list[Count]


def create_app() -> FastAPI:
    """Make the app."""
    app = documented_app("song plays", __doc__, responses=documented(401, 403, 503))
    install_error_handlers(app)
    _looking(app)
    _fetching(app)
    return app


def _looking(app: FastAPI) -> None:
    guard: dict[str, Any] = {"dependencies": [may_read(DAG)]}

    @app.get("/days", **guard, responses=documented(422))
    def days(
        year: Annotated[int | None, Query(ge=1, le=9999, description="only days of this year")] = None,
        month: Annotated[int | None, Query(ge=1, le=12, description="only days of this month of the year")] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="how many at most")] = 100,
    ) -> Days:
        """List the days of which anything is there, newest first."""
        if month and not year:
            raise ApiError(422, "month: a year was expected, too")
        root = _root()
        found = layout.known_days(root, year, month)[:limit]
        listeners = find_object(layout.listeners_file(root)) is not None
        return Days(days=[_state(files, listeners) for files in found])

    @app.get("/days/{day}", **guard, responses=documented(404, 422))
    def day_report(day: Day) -> DayReport:
        """Tell how far a day is; of a complete one, what it was made from and the figures of its job."""
        root = _root()
        files = _files(root, day)
        if files == DayFiles(day):
            raise ApiError(404, f"nothing is there of {day}")
        state = _state(files, find_object(layout.listeners_file(root)) is not None)
        # outputs that were removed leave their report behind
        report = (read_json(layout.report_file(root, day)) if files.complete else None) or {}
        return DayReport.model_validate(report | state.model_dump() | {"inputs": report})

    @app.get("/days/{day}/counts", **guard, responses=documented(404, 422))
    def counts(
        day: Day,
        zip_code: Annotated[
            int | None, Query(alias="zip", ge=-(2**31), lt=2**31, description="only this zip code")
        ] = None,
        subscription: Annotated[
            str | None, Query(description="only this subscription type; empty: plays without one")
        ] = None,
    ) -> Counts:
        """Count the plays of a complete day by zip code and subscription type."""
        try:
            return Counts(day=day, rows=results.read_counts(_root(), day, zip_code, subscription))
        except results.IncompleteError as error:
            raise ApiError(404, str(error)) from None


def _fetching(app: FastAPI) -> None:
    content = {GZIP: {"schema": {"type": "string", "format": "binary"}}}
    route: dict[str, Any] = {
        "dependencies": [may_read(DAG)],
        "response_class": StreamingResponse,
        "responses": documented(404, 422) | {200: {"description": "The file", "content": content}},
    }

    @app.get("/days/{day}/dataset.csv.gz", **route)
    def dataset_file(day: Day) -> StreamingResponse:
        """Fetch the dataset of a complete day: a line a play, fields separated by tabs."""
        return _file(day, "dataset")

    @app.get("/days/{day}/counts.csv.gz", **route)
    def counts_file(day: Day) -> StreamingResponse:
        """Fetch the counts of a complete day as a file: a line a group, fields separated by tabs."""
        return _file(day, "counts")


def _file(day: date, output: str) -> StreamingResponse:
    try:
        file, size = results.open_part(_root(), day, OUTPUTS[output])
    except results.IncompleteError as error:
        raise ApiError(404, str(error)) from None
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{output}-{day}.csv.gz"',
    }
    return StreamingResponse(results.blocks(file), headers=headers, media_type=GZIP)


def _files(root: StoragePath, day: date) -> DayFiles:
    outputs = {name: find_object(folder(root, day) / SUCCESS) is not None for name, folder in OUTPUTS.items()}
    marker = find_object(layout.marker(root, day)) is not None
    return DayFiles(day, spins=layout.has_spins(root, day), marker=marker, **outputs)


def _state(files: DayFiles, listeners: bool) -> DayState:
    """Say how far a day is; *listeners*: whether there are any."""
    known = asdict(files)
    listeners = known.pop("marker") and listeners
    state: State = "fetched" if files.spins and listeners else "waiting"
    if files.dataset or files.counts:
        state = "complete" if files.complete else "incomplete"
    return DayState(state=state, listeners=listeners, **known)


def _root() -> StoragePath:
    return StorageHook().path("songs")
