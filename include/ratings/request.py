"""Requests to a DAG run, from its params."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True)
class Run:
    """A DAG run."""

    id: str
    due: datetime
    """When it was due, with its time zone."""
    by: str
    """Who started it: a user's name or `quartet`."""
    params: Mapping[str, Any] = field(default_factory=dict)


class Request:
    """Base of the params of a DAG."""

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        """Build it from the params of a run; others, which Airflow lets through, are ignored."""
        return cls(**{each.name: params[each.name] for each in fields(cls) if each.name in params})  # type: ignore[arg-type]


@dataclass(frozen=True)
class RunRequest(Request):
    """Params of `ratings_train`."""

    model: int | None = None
    """Model version to make the champion."""
    training: int | None = None
    """Version of the training table to go back to."""
    reprocess: bool = False
    """Train the newest data with today's options and code, even if nothing is new."""


@dataclass(frozen=True)
class SelectionRequest(Request):
    """Params of `ratings_model_selection`."""

    algorithms: list[str]
    options: dict[str, dict[str, Any]]
    """Constructor arguments by algorithm."""
    folds: int
    """2 or more."""
    seed: int
    """Random state of folds and fits."""
    training: int | None
    """Version of the training table; `None`: the newest."""
    max_fit_seconds: float | None
    """Longest mean fit of an algorithm that may be chosen; `None`: any."""
    use: bool
    """Train with the chosen algorithm from now on."""
