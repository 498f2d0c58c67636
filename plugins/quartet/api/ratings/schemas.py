"""Bodies of the ratings API."""

from typing import Any, Self

from pydantic import BaseModel, Field, StrictInt, StrictStr, model_validator

from quartet.api.common.bounds import More

MAX_INTEGER = 2**53
"""Above all versions; JSON clients keep integers below it exact."""


class Rows(BaseModel):
    """Rows to submit."""

    data: list[StrictStr] = Field(min_length=1, description="one text per row")


class Ratings(Rows):
    """Ratings to train on: `user movie rating timestamp`."""

    model_config = {"json_schema_extra": {"examples": [{"data": ["244 346 2 880606923", "244 355 3 880606924"]}]}}


class Pairs(Rows):
    """Pairs whose rating is to be predicted: `user movie`."""

    model_config = {"json_schema_extra": {"examples": [{"data": ["233 346", "125 378"]}]}}


class Submitted(BaseModel):
    """The file with the rows."""

    filename: str


class ResultRequest(BaseModel):
    """Which predictions to fetch."""

    filename: StrictStr = Field(examples=["predict-2019-05-09T16:35:04.313814.txt"])


class Result(BaseModel):
    """Predictions, or why there are none (yet)."""

    ready: bool
    data: str | None = Field(default=None, description="lines `user movie rating`, in the order of the request")
    error: str | None = Field(default=None, description="why there will be none unless something changes")


class Rollback(BaseModel):
    """The version to go back to: a model version or a training version."""

    model: StrictInt | None = Field(default=None, ge=1, lt=MAX_INTEGER)
    training: StrictInt | None = Field(default=None, ge=0, lt=MAX_INTEGER)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.model is None) == (self.training is None):
            raise ValueError("either model or training was expected")
        return self


class Started(BaseModel):
    """The DAG run that does it."""

    dag_run_id: str


class Commits(BaseModel):
    """Versions of the training data."""

    commits: list[dict[str, Any]] = Field(description="newest first")


class CommitUsers(BaseModel):
    """Uses of a version of the training data."""

    version: int
    models: list[int] = Field(description="model versions trained on it, newest first")
    more: More = None


class Models(BaseModel):
    """Model versions."""

    champion: int | None = Field(description="the version that predicts; null: there is none yet")
    models: list[dict[str, Any]] = Field(description="newest first")
    promotions: list[dict[str, Any]] = Field(description="moves of the champion, newest first")


class ModelUsers(BaseModel):
    """Uses of a model version."""

    version: int
    predictions: list[str] = Field(description="names of the files that it has predicted")
    more: More = None


class Jobs(BaseModel):
    """Runs and refused files."""

    jobs: list[dict[str, Any]] = Field(description="newest first")
    refused: list[dict[str, Any]] = Field(description="files with a bad line, and why they were refused")
    more: More = None
