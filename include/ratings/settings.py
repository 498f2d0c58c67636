"""Settings of the ratings workflow."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from include.core.errors import BadDataError, SettingsError
from include.core.settings import Settings
from include.ratings.models.algorithms import BUILT_IN, RANDOM_PREDICTIONS

PRODUCTION = [name for name in BUILT_IN if name not in RANDOM_PREDICTIONS]
IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)


class RatingsSettings(Settings):
    """How ratings are taken in, trained on and predicted."""

    model_config = SettingsConfigDict(env_prefix="RATINGS_")

    movielens_100k: str = Field(
        default="",
        validation_alias="MOVIELENS_100K",
        description="folder or zip file with MovieLens 100K; empty: GroupLens' official address",
    )
    algorithm: str = Field(
        default="SVD",
        description=f"algorithm of the training: {', '.join(PRODUCTION)} or an import path `package.module:Class`",
    )
    algorithm_options: dict[str, Any] = Field(default={}, description="its options as a JSON object")
    seed: int = Field(default=0, ge=0, lt=2**32, description="random state of training and folds, 0 to 4294967295")
    custom_algorithms: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="import paths `package.module:Class` that a model selection compares too, separated by commas",
    )
    max_rmse_rise: float | Literal["off"] = Field(
        default=0.02,
        description="how much worse than the champion's the holdout RMSE of a new model may be for it to be promoted, "
        "in stars, 0 or more; `off`: every new model is promoted",
    )
    coalesce: bool = Field(
        default=True,
        description="`true`: one model for all files that have landed; `false`: one for each file, in order",
    )
    retention_days: Annotated[int, Field(ge=7)] | Literal["never"] = Field(
        default="never", description="days after which old table versions may be removed, 7 or more; `never`: kept"
    )
    max_body_bytes: int = Field(default=8 * 2**20, ge=1024, description="largest body of a request in bytes, from 1024")
    max_rows: int = Field(default=100_000, ge=1, description="most rows of a request, from 1")
    selection_cron: str = Field(
        default="0 3 * * 0",
        description="when the model selection runs: a cron expression in UTC; `never`: by hand only",
    )

    @field_validator("algorithm")
    @classmethod
    def _known_algorithm(cls, name: str) -> str:
        if name in PRODUCTION or IMPORT_PATH.fullmatch(name):
            return name
        raise ValueError("no such algorithm")

    @field_validator("max_rmse_rise")
    @classmethod
    def _not_negative(cls, rise: float | str) -> float | str:
        if isinstance(rise, float) and not 0 <= rise < float("inf"):
            raise ValueError("a number from 0")
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
        """Days that old table versions are kept; `None`: for ever."""
        return None if self.retention_days == "never" else self.retention_days

    @property
    def selectable_algorithms(self) -> list[str]:
        """What a model selection may compare: the built-in algorithms and the configured import paths."""
        return [*BUILT_IN, *self.custom_algorithms]

    def check(self) -> None:
        """Construct every algorithm that is named; raises `SettingsError` if one cannot be."""
        from include.ratings.models import algorithms

        for variable, name, options in [
            ("RATINGS_ALGORITHM", self.algorithm, self.algorithm_options),
            *(("RATINGS_CUSTOM_ALGORITHMS", name, {}) for name in self.custom_algorithms),
        ]:
            if name in algorithms.BUILT_IN and not options:
                continue  # without the half second that importing them takes
            try:
                algorithms.build(name, options, self.seed)
            except BadDataError as error:
                raise SettingsError(f"{variable}: {error}") from None
