"""Settings of the ratings workflow."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from include.core.errors import BadDataError, SettingsError
from include.core.settings import Settings
from include.ratings.models.algorithms import BUILT_IN, RANDOM_PREDICTIONS

PRODUCTION = [name for name in BUILT_IN if name not in RANDOM_PREDICTIONS]
IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)


class RatingsSettings(Settings):
    """Settings of ingestion, training and prediction."""

    model_config = SettingsConfigDict(env_prefix="RATINGS_")

    movielens_100k: str = Field(
        default="",
        validation_alias="MOVIELENS_100K",
        description="folder or zip file with MovieLens 100K; if empty, it is downloaded from GroupLens",
    )
    algorithm: str = Field(
        default="SVD",
        description=f"training algorithm: {', '.join(PRODUCTION)} or an import path `package.module:Class`",
    )
    algorithm_options: Annotated[dict[str, Any], NoDecode] = Field(
        default={}, description="options of the training algorithm, as a JSON object"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="random seed of training and folds, 0 to 4294967295")
    custom_algorithms: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="further algorithms for the model selection: import paths `package.module:Class`, separated by "
        "commas",
    )
    max_rmse_rise: float | Literal["off"] = Field(
        default=0.02,
        description="maximum by which a new model's holdout RMSE may exceed the champion's for it to be promoted, in "
        "stars, 0 or more; `off` promotes every new model",
    )
    coalesce: bool = Field(
        default=True,
        description="`true`: train one model for all files that have landed; `false`: one for each file, in order",
    )
    retention_days: Annotated[int, Field(ge=7)] | Literal["never"] = Field(
        default="never", description="days to keep old table versions, 7 or more; `never` removes none"
    )
    max_body_bytes: int = Field(
        default=8 * 2**20, ge=1024, description="maximum size of a request's body in bytes, 1024 or more"
    )
    max_rows: int = Field(default=100_000, ge=1, description="maximum number of rows in a request, 1 or more")
    selection_cron: str = Field(
        default="0 3 * * 0",
        description="schedule of the model selection: a cron expression in UTC; `never`: only by hand",
    )

    @field_validator("algorithm")
    @classmethod
    def _known_algorithm(cls, name: str) -> str:
        if name in PRODUCTION or IMPORT_PATH.fullmatch(name):
            return name
        raise ValueError("no such algorithm")

    @field_validator("algorithm_options", mode="before")
    @classmethod
    def _decoded(cls, options: object) -> object:
        if not isinstance(options, str):
            return options
        try:
            return json.loads(options)
        except ValueError as error:
            raise ValueError(f"it is not JSON: {error}") from None

    @field_validator("max_rmse_rise")
    @classmethod
    def _not_negative(cls, rise: float | str) -> float | str:
        if isinstance(rise, float) and not 0 <= rise < float("inf"):
            raise ValueError("a number of 0 or more was expected")
        return rise

    @field_validator("custom_algorithms", mode="before")
    @classmethod
    def _split(cls, paths: object) -> object:
        return [path.strip() for path in paths.split(",") if path.strip()] if isinstance(paths, str) else paths

    @field_validator("custom_algorithms")
    @classmethod
    def _import_paths(cls, paths: list[str]) -> list[str]:
        for path in paths:
            if not IMPORT_PATH.fullmatch(path):
                raise ValueError(f"{path!r} is not an import path")
        return paths

    @property
    def rmse_rise_limit(self) -> float | None:
        """The promotion guard in stars; `None`: switched off."""
        return None if self.max_rmse_rise == "off" else float(self.max_rmse_rise)

    @property
    def retention(self) -> int | None:
        """Days to keep old table versions; `None`: forever."""
        return None if self.retention_days == "never" else self.retention_days

    @property
    def selectable_algorithms(self) -> list[str]:
        """Algorithms that a model selection may compare: the built-in ones and the configured import paths."""
        return [*BUILT_IN, *self.custom_algorithms]

    def check(self) -> None:
        """Build every configured algorithm and read MovieLens; raises `SettingsError` if one of them cannot be had."""
        from include.ratings.data.base import read_movielens
        from include.ratings.models import algorithms

        if self.movielens_100k:
            try:
                read_movielens(Path(self.movielens_100k).expanduser())
            except BadDataError as error:
                raise SettingsError(f"MOVIELENS_100K={self.movielens_100k!r} is not allowed: {error}") from None
        for variable, name, options in [
            ("RATINGS_ALGORITHM", self.algorithm, self.algorithm_options),
            *(("RATINGS_CUSTOM_ALGORITHMS", name, {}) for name in self.custom_algorithms),
        ]:
            if name in algorithms.BUILT_IN and not options:
                continue  # saves the half second that importing them takes
            try:
                algorithms.build(name, options, self.seed)
            except BadDataError as error:
                raise SettingsError(f"{variable}: {error}") from None
