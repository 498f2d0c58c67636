"""Provenance: which data made which model, and which model made which prediction."""

from collections.abc import Iterator
from typing import Any

from include.core.errors import DamagedObjectError
from include.core.registry import ModelVersion
from include.core.storage import StoragePath, read_bytes
from include.ratings import layout
from include.ratings.data.ledger import Ledger
from include.ratings.errors import UnknownPredictionError
from include.ratings.models import cards
from include.ratings.predictions import files


def why(root: StoragePath, ledger: Ledger, name: str, version: int, line: int | None = None) -> dict[str, Any]:
    """
    Trace one prediction file back to everything that made it.

    Args:
        root: the workflow's folder.
        ledger: the submitted ratings.
        name: the file.
        version: the model version that predicted it.
        line: a line of it, from 1; `None`: the file as a whole.

    Raises:
        UnknownPredictionError: the model has not predicted the file, or the line is beyond its end.
    """
    record, card = files.read_record(root, name, version), cards.read_card(root, version)
    if record is None or card is None:
        raise UnknownPredictionError(f"model {version} has not predicted {name}")
    training_version = cards.training_version(card)
    submitted = ledger.files(training_version)
    return {
        "filename": name,
        "streaming": {
            "path": f"streaming/{name}",
            "sha256": record["streaming_sha256"],
            "rows": record["rows"],
            "now": _state(layout.landed_file(root, "streaming", name), record["streaming_sha256"]),
        },
        "model": {
            "version": version,
            "created_at": card.created_at,
            "run_id": card.run_id,
            "tags": card.tags,
            "metrics": card.metrics,
        },
        "training": {"version": training_version, "files": list(submitted)},
        "dag_runs": {
            "ingest": sorted(set(submitted.values())),
            "training": card.tags["dag_run_id"],
            "prediction": record["dag_run_id"],
        },
        "unknown": {"users": record["unknown_users"], "movies": record["unknown_movies"]},
        "line": None if line is None else _line(root, record, name, version, line),
    }


def _line(root: StoragePath, record: dict[str, Any], name: str, version: int, line: int) -> dict[str, Any]:
    if not 1 <= line <= record["rows"]:
        raise UnknownPredictionError(f"{name}: line 1 to {record['rows']} was expected, found {line}")
    # not the landed file, which may have changed since
    predicted = read_bytes(layout.prediction_file(root, version, name)).decode().split("\n")
    user, movie, rating = predicted[line - 1].split(" ")
    return {
        "number": line,
        "user": user,
        "movie": movie,
        "rating": float(rating),
        "user_known": user not in record["unknown_users"],
        "movie_known": movie not in record["unknown_movies"],
    }


def _state(path: StoragePath, sha256: str) -> str:
    """Return what has become of a landed file since it was predicted."""
    try:
        read_bytes(path, sha256=sha256)
    except FileNotFoundError:
        return "removed"
    except DamagedObjectError:
        return "changed"
    except OSError:
        return "unreadable"
    return "unchanged"


def versions_used(root: StoragePath) -> list[int]:
    """Return the versions of the training table that models were trained on."""
    return sorted({cards.training_version(card) for card in _all_cards(root)})


def models_trained_on(root: StoragePath, training_version: int) -> list[int]:
    """Return the model versions that were trained on this version of the training table, newest first."""
    return [card.version for card in _all_cards(root) if cards.training_version(card) == training_version]


def _all_cards(root: StoragePath) -> Iterator[ModelVersion]:
    for version in cards.versions(root):
        if card := cards.read_card(root, version):
            yield card
