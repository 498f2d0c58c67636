"""What of the ratings may go: old reports, answers that were given anew, models that nobody refers to."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from include.core.housekeeping import Broom, Removed
from include.core.objects import StoragePath, StoredObject, find_object, list_objects, walk_objects
from include.ratings import models
from include.ratings.prediction import FAILURE

log = logging.getLogger(__name__)

REPORTS_SHOWN = 100
"""The API shows the reports of so many runs of a DAG."""
_ANSWER = re.compile(r"([1-9][0-9]*)/([^/]+)")


def clean_reports(root: StoragePath, broom: Broom, before: float) -> Removed:
    """Remove the reports of runs that were written *before*; the newest of each pipeline stay."""
    done = Removed()
    for pipeline in ("train", "predict"):
        listed = {name: each for name, each in list_objects(root / "jobs" / pipeline).items() if name.endswith(".json")}
        newest_first = sorted(listed, key=lambda name: listed[name].changed, reverse=True)
        old = {name: listed[name] for name in newest_first[REPORTS_SHOWN:] if listed[name].changed < before}
        done += broom.sweep(root / "jobs" / pipeline, old, f"of {len(listed)} reports")
    return done


def clean_predictions(root: StoragePath, broom: Broom, before: float) -> Removed:
    """
    Remove answers of former champions that were given *before* and that the champion has given, too.

    The last answer to a file always stays. How an answer was made goes after it.
    """
    champion = models.champion(root)
    if champion is None:
        log.info("%s: no champion, all answers stay", root / "predict")
        return Removed()
    given, made = walk_objects(root / "predict"), walk_objects(root / "predict_made")
    answered = {name for version, name in _parts(given) if version == champion.version}
    outdated = {f"{version}/{name}" for version, name in _parts(given) if version != champion.version}
    gone = {
        each: given[each]
        for each in outdated
        if given[each].changed < before and each.partition("/")[2] in {*answered, FAILURE}
    }
    done = broom.sweep(root / "predict", gone, f"of {len(outdated)} answers of former champions")
    left = walk_objects(root / "predict")
    orphans = {
        each: stored
        for each, stored in made.items()
        if (match := _ANSWER.fullmatch(each.removesuffix(".json")))
        and int(match[1]) != champion.version
        and stored.changed < before
        and (match[0] not in left or (broom.dry_run and match[0] in gone))
    }
    return done + broom.sweep(root / "predict_made", orphans, "records of them")


def _parts(listed: Mapping[str, StoredObject]) -> list[tuple[int, str]]:
    return [(int(match[1]), match[2]) for name in listed if (match := _ANSWER.fullmatch(name))]


@dataclass(frozen=True)
class Registered:
    """A model version as the registry lists it."""

    run_id: str
    aliases: tuple[str, ...] = ()


class Shelf(Protocol):
    """The registry of models, as far as removing needs it."""

    def versions(self) -> dict[int, Registered]:
        """List all versions."""
        ...

    def find(self, version: int) -> Registered | None:
        """Look at one version as it is now; `None`: there is none."""
        ...

    def abandoned_runs(self) -> list[str]:
        """List the runs of trainings that no version has, and that no training works on any more."""
        ...

    def folder(self, run_id: str) -> StoragePath:
        """Give the folder of a run's files."""
        ...

    def delete_version(self, version: int) -> None:
        """Take a version from the registry."""
        ...

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted."""
        ...


def superseded(root: StoragePath, registered: Mapping[int, Registered], keep: int) -> list[int]:
    """
    List the model versions that nobody needs, oldest first.

    These stay: the champion and the last *keep* champions before it, the newest *keep* versions, a version with an
    alias, one whose answers are there; with *keep* 0 all.
    """
    champion = models.champion(root)
    if champion is None or not keep:
        return []
    newest = sorted(registered, reverse=True)[:keep]
    aliased = {version for version, each in registered.items() if each.aliases}
    answering = {version for version, _ in _parts(walk_objects(root / "predict"))}
    used = {champion.version, *champion.previous[:keep], *newest, *aliased, *answering}
    return sorted(registered.keys() - used)


def remove_models(root: StoragePath, shelf: Shelf, broom: Broom, keep: int) -> dict[str, int]:
    """
    Remove the model versions that nobody needs: card, registry entry, files, run, in this order.

    Without its card a version cannot be gone back to; without its entry no training takes it up again. What a killed
    try leaves is whole, or a run without a version: its files and itself go the next time.

    Args:
        root: the workflow's folder.
        shelf: the registry.
        broom: of the storage.
        keep: see `superseded`.

    Returns:
        Counts `models`, `runs` (without a version), `objects` and `bytes`.
    """
    registered = shelf.versions()
    removed = [
        version
        for version in superseded(root, registered, keep)
        if _remove(root, shelf, broom, version, registered[version].run_id)
    ]
    verb = "would be removed" if broom.dry_run else "removed"
    log.info("%d of %d models %s: %s", len(removed), len(registered), verb, removed or "none")
    abandoned = shelf.abandoned_runs()
    for run_id in abandoned:
        _remove_run(shelf, broom, run_id)
    log.info("%d runs without a model %s", len(abandoned), verb)
    return {"models": len(removed), "runs": len(abandoned), **broom.removed.as_json()}


def _remove(root: StoragePath, shelf: Shelf, broom: Broom, version: int, run_id: str) -> bool:
    name = f"{version}.json"
    card, stored = models.read_card(root, version), find_object(root / "models" / name)
    if card and stored:
        broom.sweep(root / "models", {name: stored}, f"card of model {version}")
    if not broom.dry_run:
        now, champion = shelf.find(version), models.champion(root)
        if (now and now.aliases) or champion is None or champion.version == version:  # somebody has just gone back
            if card:
                models.write_card(root, card)
            log.warning("Model %d stays: it has come into use", version)
            return False
        if now:
            shelf.delete_version(version)
    _remove_run(shelf, broom, run_id)
    return True


def _remove_run(shelf: Shelf, broom: Broom, run_id: str) -> None:
    broom.sweep_away(shelf.folder(run_id), f"files of the run {run_id}")
    if not broom.dry_run:
        shelf.delete_run(run_id)
