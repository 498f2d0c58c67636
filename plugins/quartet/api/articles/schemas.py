"""Bodies of the articles API, for its documentation: the service renders them without building these models."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class Model(BaseModel):
    """A model of a site."""

    id: int
    type: Literal["article", "popularity", "user"]
    status: Literal["pending", "current", "stale", "failed"]
    site: str
    created_at: datetime
    updated_at: datetime


class Article(BaseModel):
    """An article of a site."""

    id: int
    external_id: str = Field(description="the site's own id of the article")
    title: str
    path: str = Field(description="path of its page on the site")
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
    rank: int = Field(description="rank among the recommendations of the same source, from 1")
    model: Model
    recommended_article: Article


class Recommendations(BaseModel):
    """Recommendations in the requested order."""

    results: list[Recommendation]


class Models(BaseModel):
    """Models in the requested order."""

    results: list[Model]


class Articles(BaseModel):
    """Articles, newest publication first."""

    results: list[Article]


class Message(BaseModel):
    """Body of every error response."""

    message: str
