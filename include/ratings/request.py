"""Requests to a DAG run, from its params."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self

from include.core.errors import BadDataError
from include.core.text import excerpt

MAX_FOLDS = 20
MAX_NUMBERS = {"n_factors": 1_000, "n_epochs": 1_000, "n_cltr_u": 1_000, "n_cltr_i": 1_000}
"""Largest value of options on which memory or time of a fit depends; of any other number it is `MAX_NUMBER`."""
MAX_NUMBER = 10_000


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
        """
        Build it from the params of a run.

        Raises:
            BadDataError: the run has other params, which Airflow lets through, or ones that contradict each other.
        """
        known = [each.name for each in fields(cls)]  # type: ignore[arg-type]
        if unknown := sorted(params.keys() - known):
            raise BadDataError(f"params: {', '.join(known)} were expected, found {', '.join(map(excerpt, unknown))}")
        request = cls(**params)
        request.check()
        return request

    def check(self) -> None:
        """Raise `BadDataError` if values contradict each other or have another form."""


@dataclass(frozen=True)
class RunRequest(Request):
    """Params of `ratings_train`."""

    model: int | None = None
    """Model version to make the champion."""
    training: int | None = None
    """Version of the training table to go back to."""
    reprocess: bool = False
    """Train the newest data with today's options and code, even if nothing is new."""

    def check(self) -> None:
        asked = [name for name, value in vars(self).items() if value is not None and value is not False]
        if len(asked) > 1:
            raise BadDataError(
                f"params: one of model, training and reprocess was expected, found {' and '.join(asked)}"
            )


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

    def check(self) -> None:
        for algorithm, options in self.options.items():
            if not isinstance(options, dict):
                raise BadDataError(
                    f"options: an object of arguments was expected for {excerpt(algorithm)}, found {excerpt(options)}"
                )
            _check_numbers(algorithm, options)
        if not 2 <= self.folds <= MAX_FOLDS:
            raise BadDataError(f"folds: 2 to {MAX_FOLDS} were expected, found {excerpt(self.folds)}")


def _check_numbers(algorithm: str, options: Mapping[str, Any]) -> None:
    """Raise `BadDataError` if an option is a number with which a fit would not end, or take all memory."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            _check_numbers(algorithm, value)
        elif isinstance(value, int | float) and name != "random_state":
            limit = MAX_NUMBERS.get(name, MAX_NUMBER)
            if not -limit <= value <= limit:  # nan neither
                raise BadDataError(
                    f"options: {excerpt(algorithm)}: {excerpt(name)} from -{limit} to {limit} was expected, "
                    f"found {excerpt(value)}"
                )
