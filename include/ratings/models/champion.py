"""The champion, which is the model version that predicts, and its moves."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from include.core.registry import ModelVersion
from include.core.storage import StoragePath, list_objects, read_as, read_json, write_json
from include.ratings import layout

MAX_PREVIOUS = 50
MEAN_RMSE = "holdout_rmse_of_mean"
NOT_FINITE = "not_finite"
"""Metrics of a model that bar it; see `training.train`."""


@dataclass(frozen=True)
class Champion:
    """Which model version predicts."""

    version: int
    since: str
    """UTC, ISO 8601."""
    previous: tuple[int, ...] = ()
    """Earlier champions, the latest first, each once."""
    decided: int = -1
    """Newest version of the training table whose model was either promoted or not."""


def read_champion(root: StoragePath) -> Champion | None:
    """Read the champion; `None`: there is none yet."""
    return read_as(
        layout.champion_file(root), lambda found: Champion(**{**found, "previous": tuple(found["previous"])})
    )


def promote(
    root: StoragePath, version: int, at: str, *, by: str, reason: str, run: str, decided: int | None = None
) -> Champion:
    """
    Make *version* the champion and record the move. Idempotent.

    Args:
        root: the workflow's folder.
        version: a model version with a card.
        at: UTC, ISO 8601.
        by: who asked for it: a user's name or `quartet`.
        reason: in a few words.
        run: the DAG run that does it.
        decided: version of the training table that this settles; `None`: no newer one than before.
    """
    before = read_champion(root)
    move = {"at": at, "from": before.version if before else None, "to": version, "by": by, "reason": reason}
    settled = max(before.decided if before else -1, -1 if decided is None else decided)
    if before and before.version == version:
        after = replace(before, decided=settled)
    else:
        earlier = (before.version, *before.previous) if before else ()
        previous = tuple(each for each in dict.fromkeys(earlier) if each != version)[:MAX_PREVIOUS]
        after = Champion(version, since=at, previous=previous, decided=settled)
        write_json(layout.promotion_file(root, at, version), {**move, "dag_run_id": run})
    write_json(layout.champion_file(root), asdict(after))
    return after


def settle(root: StoragePath, decided: int) -> None:
    """Record that the champion stays what it is up to the version *decided* of the training table."""
    before = read_champion(root)
    if before and before.decided < decided:
        write_json(layout.champion_file(root), asdict(replace(before, decided=decided)))


def promotions(root: StoragePath, limit: int) -> list[dict[str, Any]]:
    """Return the moves of the champion, newest first."""
    folder = layout.promotions(root)
    return [read_json(folder / name) for name in sorted(list_objects(folder), reverse=True)[:limit]]


def was_moved_by(root: StoragePath, run: str) -> bool:
    """Return whether the DAG run *run* has moved the champion before."""
    return any(move["dag_run_id"] == run for move in promotions(root, MAX_PREVIOUS))


def why_barred(candidate: ModelVersion) -> str | None:
    """
    Return why a model is never promoted, not even the first one or by hand; `None`: it may be.

    Models of earlier releases, which did not measure that, may be.
    """
    if count := candidate.metrics.get(NOT_FINITE):
        return f"{count:.0f} of its factors and estimates are not finite numbers"
    mean, found = candidate.metrics.get(MEAN_RMSE), candidate.metrics["holdout_rmse"]
    if mean is not None and not found < mean:
        return f"holdout RMSE {found:.4f} is no better than the {mean:.4f} of the mean rating as the only prediction"
    return None


def why_not_promoted(champion: ModelVersion | None, candidate: ModelVersion, max_rise: float | None) -> str | None:
    """
    Return why the promotion guard rejects *candidate*; `None`: it does not.

    Args:
        champion: the present one; `None`: there is none.
        candidate: the new model.
        max_rise: how much worse than the champion's its holdout RMSE may be, in stars; `None`: the guard is off.
    """
    if reason := why_barred(candidate):
        return reason
    if champion is None or max_rise is None or champion.tags["base_sha256"] != candidate.tags["base_sha256"]:
        return None
    rise = candidate.metrics["holdout_rmse"] - champion.metrics["holdout_rmse"]
    if rise <= max_rise:
        return None
    return (
        f"holdout RMSE {candidate.metrics['holdout_rmse']:.4f} is {rise:.4f} above that of model {champion.version}, "
        f"RATINGS_MAX_RMSE_RISE allows {max_rise:g}"
    )
