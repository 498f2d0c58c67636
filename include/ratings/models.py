"""Model versions where they can be read cheaply: a card a version, the champion, and how it moved.

The registry is the truth; the training task leaves this copy, so that predicting and the API need no registry client.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

from include.core.registry import ModelVersion
from include.core.storage import StoragePath, list_objects, read_json, write_json

MAX_PREVIOUS = 50


@dataclass(frozen=True)
class Champion:
    """Which model version predicts."""

    version: int
    since: str
    """UTC, ISO 8601."""
    previous: tuple[int, ...] = ()
    """Earlier champions, the latest first, each once."""
    decided: int = -1
    """The newest ledger version for which was decided whether its model becomes champion."""


def write_card(root: StoragePath, card: ModelVersion) -> None:
    """Keep the card; the same again is harmless."""
    write_json(root / "models" / f"{card.version}.json", asdict(card))


def read_card(root: StoragePath, version: int) -> ModelVersion | None:
    """Give the card of *version*; `None`: there is no such version."""
    found = read_json(root / "models" / f"{version}.json")
    return ModelVersion(**found) if found else None


def training_version(card: ModelVersion) -> int:
    """Give the ledger version that a model was trained on."""
    return int(card.tags["training_version"])


def versions(root: StoragePath) -> list[int]:
    """List all model versions, newest first."""
    names = (name.removesuffix(".json") for name in list_objects(root / "models"))
    return sorted((int(name) for name in names if name.isdigit()), reverse=True)


def champion(root: StoragePath) -> Champion | None:
    """Give the champion; `None`: there is none yet."""
    found: dict[str, Any] | None = read_json(root / "champion.json")
    return Champion(**{**found, "previous": tuple(found["previous"])}) if found else None


def promote(
    root: StoragePath, version: int, at: str, *, by: str, reason: str, run: str, decided: int | None = None
) -> Champion:
    """
    Make *version* the champion and record the move; done twice it is one move.

    Args:
        root: the workflow's folder.
        version: a model version with a card.
        at: UTC, ISO 8601.
        by: who asked: a user's name or `quartet`.
        reason: in a few words.
        run: the DAG run that does it.
        decided: the ledger version that this settles; `None`: no other than before.
    """
    before = champion(root)
    move = {"at": at, "from": before.version if before else None, "to": version, "by": by, "reason": reason}
    settled = max(before.decided if before else -1, -1 if decided is None else decided)
    if before and before.version == version:
        after = replace(before, decided=settled)
    else:
        earlier = (before.version, *before.previous) if before else ()
        previous = tuple(each for each in dict.fromkeys(earlier) if each != version)[:MAX_PREVIOUS]
        after = Champion(version, since=at, previous=previous, decided=settled)
        write_json(root / "promotions" / f"{at}-{version}.json", {**move, "dag_run_id": run})
    write_json(root / "champion.json", asdict(after))
    return after


def settle(root: StoragePath, decided: int) -> None:
    """Record that the champion stays what it is up to the ledger version *decided*."""
    before = champion(root)
    if before and before.decided < decided:
        write_json(root / "champion.json", asdict(replace(before, decided=decided)))


def promotions(root: StoragePath, limit: int) -> list[dict[str, Any]]:
    """List the moves of the champion, newest first."""
    names = sorted(list_objects(root / "promotions"), reverse=True)[:limit]
    return [read_json(root / "promotions" / name) for name in names]
