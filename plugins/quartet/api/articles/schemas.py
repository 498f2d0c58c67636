"""The answers of the articles API: objects with `results`; errors are objects with `message`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

NO_RESOURCE = "RESOURCE DOES NOT EXIST"

_DESCRIPTIONS = {
    400: "A parameter is not valid",
    401: "No token, or an expired one",
    403: "The user may not see the DAG of the site, or the token is not valid",
    404: "There is no such thing",
    414: "The parameters are too long",
    500: "The database cannot be queried",
    503: "The database cannot be queried; try again later",
}


class Model(BaseModel):
    """One training for a site."""

    id: int
    type: Literal["article", "popularity", "user"]
    status: Literal["pending", "current", "stale", "failed"]
    site: str
    created_at: datetime
    updated_at: datetime


class Article(BaseModel):
    """An article of a newsroom."""

    id: int
    external_id: str = Field(description="the newsroom's own id of it")
    title: str
    path: str = Field(description="of its page on the newsroom's site")
    published_at: datetime | None
    site: str
    created_at: datetime
    updated_at: datetime


class Recommendation(BaseModel):
    """An article to read after another."""

    id: int
    created_at: datetime
    updated_at: datetime
    source_entity_id: str = Field(description="external id of the other article, or `default`")
    score: str = Field(description="0 to 1, with 6 decimals", pattern=r"^[01]\.\d{6}$")
    rank: int = Field(description="place among the recommendations of the same source, from 1")
    model: Model
    recommended_article: Article


class Recommendations(BaseModel):
    """Recommendations in the order asked for."""

    results: list[Recommendation]


class Models(BaseModel):
    """Models in the order asked for."""

    results: list[Model]


class Articles(BaseModel):
    """Articles, newest publication first."""

    results: list[Article]


class Message(BaseModel):
    """The body of every error answer."""

    message: str


class RefusedError(Exception):
    """Answer with *status* and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class UnavailableError(RefusedError):
    """The database cannot be queried."""

    def __init__(self, message: str) -> None:
        super().__init__(503, message)


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Make the response of an error."""
    return JSONResponse({"message": message}, status, {"Cache-Control": "no-store"} | dict(headers or {}))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Give the `responses=` of a route or an app: each status with its meaning and the shape of its body."""
    return {status: {"model": Message, "description": _DESCRIPTIONS[status]} for status in statuses}


def install(app: FastAPI) -> None:
    """Make *app* answer its errors in the shape of `Message`."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RefusedError, _refused)


async def _http_error(_: Request, error: Any) -> JSONResponse:
    return refusal(error.status_code, str(error.detail), error.headers)


async def _refused(_: Request, error: Any) -> JSONResponse:
    return refusal(error.status, error.message, {"Retry-After": "5"} if error.status == 503 else None)
