"""The routes of the song plays API."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import FileResponse
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from include.songs.layout import DayError, parse_day
from quartet.api.common.auth import may_read
from quartet.api.common.errors import ApiError, documented
from quartet.api.common.files import StoredFileResponse
from quartet.api.songs.schemas import Counts, DayReport, Days
from quartet.api.songs.service import Output, SongsService

DAG = "song_plays"
GZIP = "application/gzip"

router = APIRouter()


def _day(text: str) -> date:
    try:
        return parse_day(text)
    except DayError:
        raise PydanticCustomError("day", "a day such as 2019-02-08 was expected") from None


Day = Annotated[date, BeforeValidator(_day), Path(examples=["2019-02-08"])]
Service = Annotated[SongsService, Depends(SongsService)]


@router.get("/days", dependencies=[may_read(DAG)], responses=documented(422))
def days(
    service: Service,
    year: Annotated[int | None, Query(ge=1, le=9999, description="only days of this year")] = None,
    month: Annotated[int | None, Query(ge=1, le=12, description="only days of this month of the year")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="maximum number of days")] = 100,
) -> Days:
    """List the days that have any files, newest first."""
    if month and not year:
        raise ApiError(422, "month: a year was expected, too")
    return Days(days=service.days(year, month, limit))


@router.get("/days/{day}", dependencies=[may_read(DAG)], responses=documented(404, 422))
def day_report(day: Day, service: Service) -> DayReport:
    """Return the state of a day; for a complete one, also its sources and the metrics of its job."""
    return service.report(day)


@router.get("/days/{day}/counts", dependencies=[may_read(DAG)], responses=documented(404, 422))
def counts(
    day: Day,
    service: Service,
    zip_code: Annotated[int | None, Query(alias="zip", ge=-(2**31), lt=2**31, description="only this zip code")] = None,
    subscription: Annotated[
        str | None, Query(description="only this subscription type; if empty, plays without one")
    ] = None,
) -> Counts:
    """Return the number of plays of a complete day by zip code and subscription type."""
    return Counts(day=day, rows=service.counts(day, zip_code, subscription))


FILE: dict[str, Any] = {
    "dependencies": [may_read(DAG)],
    "response_class": FileResponse,
    "responses": documented(404, 422)
    | {200: {"description": "The file", "content": {GZIP: {"schema": {"type": "string", "format": "binary"}}}}},
}


@router.get("/days/{day}/dataset.csv.gz", **FILE)
def dataset_file(day: Day, service: Service) -> StoredFileResponse:
    """Download the dataset of a complete day: one line per play, fields separated by tabs; can be resumed."""
    return _file(service, day, "dataset")


@router.get("/days/{day}/counts.csv.gz", **FILE)
def counts_file(day: Day, service: Service) -> StoredFileResponse:
    """Download the counts of a complete day: one line per group, fields separated by tabs; can be resumed."""
    return _file(service, day, "counts")


def _file(service: SongsService, day: date, output: Output) -> StoredFileResponse:
    part = service.open_file(day, output)
    return StoredFileResponse(part.file, part.stored, part.size, f"{output}-{day}.csv.gz", GZIP)
