"""Prediction files: exactly one for each landed file and model version, with a record of how it was made."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from include.core.storage import (
    StoragePath,
    list_objects,
    read_as,
    read_bytes,
    read_json,
    remove_object,
    write_json,
    write_whole,
)
from include.ratings import layout


@dataclass(frozen=True)
class PredictionRecord:
    """Record of how a prediction file was made."""

    file: str
    model: int
    streaming_sha256: str
    """Checksum of the landed file."""
    rows: int
    unknown_users: list[str]
    unknown_movies: list[str]
    dag_run_id: str
    at: str
    """UTC, ISO 8601."""
    code: str | None = None
    """Version of the code that ran, as `code_version` returns it."""
    sha256: str | None = None
    """Checksum of the prediction file."""


def write(root: StoragePath, record: PredictionRecord, content: bytes) -> bool:
    """Write a prediction file and its record; return False if another run has already written them."""
    target = layout.prediction_file(root, record.model, record.file)
    if target.exists():
        return False
    write_json(layout.prediction_record_file(root, record.model, record.file), asdict(record))
    try:
        write_whole(target, content, exclusive=True)
    except FileExistsError:
        return False
    return True


def newest(root: StoragePath, name: str, versions: Sequence[int]) -> tuple[int, str] | None:
    """
    Read the newest prediction for the landed file *name*.

    Args:
        root: the workflow's folder.
        name: the file.
        versions: model versions to try, the preferred one first.

    Returns:
        Model version and content; `None`: none of them has predicted the file yet.
    """
    for version in versions:
        try:
            return version, read_bytes(layout.prediction_file(root, version, name)).decode()
        except FileNotFoundError:
            continue
    return None


def read_record(root: StoragePath, name: str, version: int) -> dict[str, Any] | None:
    """Read the record of the prediction of model *version* for the landed file *name*; `None`: there is none."""
    return read_json(layout.prediction_record_file(root, version, name))


def predicted_by(root: StoragePath, version: int) -> list[str]:
    """Return the landed files that the model *version* has predicted."""
    return list(list_objects(layout.predictions_of(root, version)))


def record_failure(root: StoragePath, version: int, reason: str, run: str) -> None:
    """Record why the model *version* cannot predict at all, for clients who wait."""
    write_json(layout.failure_file(root, version), {"error": reason, "dag_run_id": run})


def clear_failure(root: StoragePath, version: int) -> None:
    """Delete the record of an earlier failure: the model predicts again."""
    remove_object(layout.failure_file(root, version))


def failure(root: StoragePath, version: int) -> str | None:
    """Return why the model *version* cannot predict; `None`: no failure is known."""
    return read_as(layout.failure_file(root, version), lambda found: found["error"])
