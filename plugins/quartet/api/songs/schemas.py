"""The bodies of the song plays API."""

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, Field

from include.songs.downloads.versions import Version
from include.songs.results import Count

State = Literal["complete", "failed", "incomplete", "fetched", "waiting"]


class DayState(BaseModel):
    """The state of a day, and which of its files exist."""

    day: date
    state: State = Field(
        description="`complete`: dataset and counts are complete and checked; `failed`: the last job or check found "
        "bad data; `incomplete`: only one of both is complete, and the next run writes both again; `fetched`: spins "
        "and listeners are downloaded, but neither output is complete; `waiting`: spins or listeners "
        "are not downloaded yet"
    )
    spins: bool = Field(description="whether the day's spins are downloaded")
    listeners: bool = Field(description="whether the listeners were downloaded for the day")
    dataset: bool = Field(description="whether the dataset is complete")
    counts: bool = Field(description="whether the counts are complete")


class Days(BaseModel):
    """Days, newest first."""

    days: list[DayState]


class Inputs(BaseModel):
    """Versions of the sources that a day was made from."""

    spins: Version | None = Field(default=None, description="`null`: the file was copied there by hand, or long ago")
    listeners: Version | None = None


class DayReport(DayState):
    """The state of a day, and how it was made; what is unknown, or was not made yet, is `null`."""

    error: str | None = Field(default=None, description="why the day failed")
    rows: int | None = Field(default=None, description="rows of the dataset")
    groups: int | None = Field(default=None, description="rows of the counts")
    minrows: int | None = Field(default=None, description="minimum number of rows that was requested")
    metrics: dict[str, Any] | None = Field(default=None, description="metrics of the job")
    engine: str | None = None
    run_id: str | None = Field(default=None, description="the DAG run that made the day")
    finished_at: str | None = Field(default=None, description="ISO 8601")
    inputs: Inputs


class Counts(BaseModel):
    """Plays of a day by zip code and subscription type, sorted by both."""

    day: date
    rows: list[Count]
