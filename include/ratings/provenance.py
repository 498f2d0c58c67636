"""Which data made which model, which model made which prediction: the way back from any line."""

from collections.abc import Iterator
from typing import Any

from include.core.registry import ModelVersion
from include.core.storage import StoragePath, read_bytes
from include.ratings import models, prediction
from include.ratings.ledger import Ledger
from include.ratings.rows import parse_file, parse_pair


class UnknownPredictionError(LookupError):
    """There is no such prediction, or no such line in it."""


def why(root: StoragePath, ledger: Ledger, name: str, version: int, line: int | None = None) -> dict[str, Any]:
    """
    Trace one prediction file back to everything that made it.

    Args:
        root: the workflow's folder.
        ledger: the submitted ratings.
        name: the file.
        version: the model version that answered.
        line: a line of it, from 1; `None`: the file as a whole.

    Raises:
        UnknownPredictionError: the model has not answered the file, or the line is beyond its end.
    """
    made, card = prediction.made(root, name, version), models.read_card(root, version)
    if made is None or card is None:
        raise UnknownPredictionError(f"model {version} has not answered {name}")
    files = ledger.files(models.training_version(card))
    return {
        "filename": name,
        "streaming": {"path": f"streaming/{name}", "sha256": made["streaming_sha256"], "rows": made["rows"]},
        "model": {
            "version": version,
            "created_at": card.created_at,
            "run_id": card.run_id,
            "tags": card.tags,
            "metrics": card.metrics,
        },
        "training": {"version": models.training_version(card), "files": list(files)},
        "dag_runs": {
            "ingest": sorted(set(files.values())),
            "training": card.tags["dag_run_id"],
            "prediction": made["dag_run_id"],
        },
        "unknown": {"users": made["unknown_users"], "movies": made["unknown_movies"]},
        "line": None if line is None else _line(root, made, name, version, line),
    }


def _line(root: StoragePath, made: dict[str, Any], name: str, version: int, line: int) -> dict[str, Any]:
    if not 1 <= line <= made["rows"]:
        raise UnknownPredictionError(f"{name}: line 1 to {made['rows']} was expected, found {line}")
    pair = parse_file(read_bytes(root / "streaming" / name), parse_pair)[line - 1]
    answered = read_bytes(root / "predict" / str(version) / name).decode().split("\n")[line - 1]
    return {
        "number": line,
        "user": pair.user,
        "movie": pair.movie,
        "rating": float(answered.split(" ")[2]),
        "user_known": pair.user not in made["unknown_users"],
        "movie_known": pair.movie not in made["unknown_movies"],
    }


def versions_used(root: StoragePath) -> list[int]:
    """List the ledger versions that models were trained on."""
    return sorted({models.training_version(card) for card in _cards(root)})


def models_trained_on(root: StoragePath, training_version: int) -> list[int]:
    """List the model versions that were trained on *training_version* of the ledger, newest first."""
    return [card.version for card in _cards(root) if models.training_version(card) == training_version]


def _cards(root: StoragePath) -> Iterator[ModelVersion]:
    for version in models.versions(root):
        if card := models.read_card(root, version):
            yield card
