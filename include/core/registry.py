"""The registry of models as the domain sees it; `quartet.hooks.registry` implements it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from include.core.storage import StoragePath

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model."""

    version: int
    created_at: str
    """UTC, ISO 8601."""
    run_id: str
    """The run in the registry that made it."""
    artefact: str
    """Path of the model file below the storage root."""
    tags: dict[str, str]
    metrics: dict[str, float]

    @property
    def sha256(self) -> str:
        """Checksum of the artefact."""
        return self.tags["sha256"]


@dataclass(frozen=True)
class NewModel:
    """A trained model, to be registered."""

    artefact: bytes
    """Content of the model file."""
    loader_module: str
    """Module whose `_load_pyfunc` loads it for MLflow's users."""
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    """Among them `recipe` (sha256 of everything that determines the model) and `dag_run_id`."""
    requirements: list[str]
    """What loading it needs, as pip requirements."""


class Registry(Protocol):
    """Registry of models: a version for each training, and which of them is the champion."""

    def find(self, name: str, recipe: str) -> ModelVersion | None:
        """Return the newest version of the model *name* that was trained by *recipe*, if there is one."""
        ...

    def register(self, name: str, new: NewModel) -> ModelVersion:
        """Register a model as a new version, whole or not at all."""
        ...

    def restore(self, name: str, known: Sequence[ModelVersion]) -> None:
        """Register again those of the *known* versions that the registry has lost; new ones have higher numbers."""
        ...

    def rewrite(self, name: str, version: ModelVersion, new: NewModel) -> None:
        """Write the files of *version* again, from the same model trained anew."""
        ...

    def promote(self, name: str, version: int) -> None:
        """Make *version* the champion."""
        ...

    def record(
        self,
        experiment: str,
        run: str,
        *,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        files: Mapping[str, bytes],
        metrics: Mapping[str, float] = _NOTHING,
        children: Mapping[str, Mapping[str, Any]] = _NOTHING,
    ) -> str:
        """
        Record the result of a DAG run as one run with children; a later record of the same run replaces it.

        Args:
            experiment: where to.
            run: name of the DAG run.
            params: parameters of the run.
            tags: tags of the run.
            files: name → content of the files kept with it.
            metrics: metrics of the run.
            children: name → values of its child runs; numbers become metrics, the rest parameters.

        Returns:
            Id of the run in the registry.
        """
        ...


@dataclass(frozen=True)
class RegisteredVersion:
    """A model version as the registry lists it."""

    run_id: str
    aliases: tuple[str, ...] = ()


class ModelVersions(Protocol):
    """The versions of one registered model and their runs, for removing them."""

    def versions(self) -> dict[int, RegisteredVersion]:
        """Return all versions."""
        ...

    def find(self, version: int) -> RegisteredVersion | None:
        """Return one version as it is now; `None`: there is none."""
        ...

    def abandoned_runs(self) -> list[str]:
        """Return the runs of trainings that no version has, and that no training works on any more."""
        ...

    def folder(self, run_id: str) -> StoragePath:
        """Return the folder of a run's files."""
        ...

    def delete_version(self, version: int) -> None:
        """Delete a version from the registry."""
        ...

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted. Idempotent."""
        ...
