"""What of the ratings may go: old reports, answers that were given anew, models that nobody refers to."""

import logging
import re
from collections.abc import Mapping

from pydantic import Field

from include.core.registry import ModelVersions, RegisteredVersion
from include.core.retention import (
    Cleaning,
    Counts,
    Removal,
    Removed,
    Retention,
    RetentionSettings,
    Rule,
    Sweeper,
    days_kept,
)
from include.core.storage import StoragePath, StoredObject, find_object, list_objects, walk_objects
from include.ratings import models
from include.ratings.prediction import FAILURE

log = logging.getLogger(__name__)

REPORTS_SHOWN = 100
"""The API shows the reports of so many runs of a DAG."""
_ANSWER = re.compile(r"([1-9][0-9]*)/([^/]+)")


def clean_reports(root: StoragePath, sweeper: Sweeper, before: float) -> Removed:
    """Remove the reports of runs that were written *before*; the newest of each pipeline stay."""
    done = Removed()
    for pipeline in ("train", "predict"):
        listed = {name: each for name, each in list_objects(root / "jobs" / pipeline).items() if name.endswith(".json")}
        newest_first = sorted(listed, key=lambda name: listed[name].changed, reverse=True)
        old = {name: listed[name] for name in newest_first[REPORTS_SHOWN:] if listed[name].changed < before}
        done += sweeper.sweep(root / "jobs" / pipeline, old, f"of {len(listed)} reports")
    return done


def clean_predictions(root: StoragePath, sweeper: Sweeper, before: float) -> Removed:
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
    done = sweeper.sweep(root / "predict", gone, f"of {len(outdated)} answers of former champions")
    left = walk_objects(root / "predict")
    orphans = {
        each: stored
        for each, stored in made.items()
        if (match := _ANSWER.fullmatch(each.removesuffix(".json")))
        and int(match[1]) != champion.version
        and stored.changed < before
        and (match[0] not in left or (sweeper.dry_run and match[0] in gone))
    }
    return done + sweeper.sweep(root / "predict_made", orphans, "records of them")


def _parts(listed: Mapping[str, StoredObject]) -> list[tuple[int, str]]:
    return [(int(match[1]), match[2]) for name in listed if (match := _ANSWER.fullmatch(name))]


def superseded(root: StoragePath, registered: Mapping[int, RegisteredVersion], keep: int) -> list[int]:
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


def remove_models(root: StoragePath, registry: ModelVersions, sweeper: Sweeper, keep: int) -> dict[str, int]:
    """
    Remove the model versions that nobody needs: card, registry entry, files, run, in this order.

    Without its card a version cannot be gone back to; without its entry no training takes it up again. What a killed
    try leaves is whole, or a run without a version: its files and itself go the next time.

    Args:
        root: the workflow's folder.
        registry: the registry.
        sweeper: of the storage.
        keep: see `superseded`.

    Returns:
        Counts `models`, `runs` (without a version), `objects` and `bytes`.
    """
    registered = registry.versions()
    removed = [
        version
        for version in superseded(root, registered, keep)
        if _remove(root, registry, sweeper, version, registered[version].run_id)
    ]
    verb = "would be removed" if sweeper.dry_run else "removed"
    log.info("%d of %d models %s: %s", len(removed), len(registered), verb, removed or "none")
    abandoned = registry.abandoned_runs()
    for run_id in abandoned:
        _remove_run(registry, sweeper, run_id)
    log.info("%d runs without a model %s", len(abandoned), verb)
    return {"models": len(removed), "runs": len(abandoned), **sweeper.removed.as_json()}


def _remove(root: StoragePath, registry: ModelVersions, sweeper: Sweeper, version: int, run_id: str) -> bool:
    name = f"{version}.json"
    card, stored = models.read_card(root, version), find_object(root / "models" / name)
    if card and stored:
        sweeper.sweep(root / "models", {name: stored}, f"card of model {version}")
    if not sweeper.dry_run:
        now, champion = registry.find(version), models.champion(root)
        if (now and now.aliases) or champion is None or champion.version == version:  # somebody has just gone back
            if card:
                models.write_card(root, card)
            log.warning("Model %d stays: it has come into use", version)
            return False
        if now:
            registry.delete_version(version)
    _remove_run(registry, sweeper, run_id)
    return True


def _remove_run(registry: ModelVersions, sweeper: Sweeper, run_id: str) -> None:
    sweeper.sweep_away(registry.folder(run_id), f"files of the run {run_id}")
    if not sweeper.dry_run:
        registry.delete_run(run_id)


class RatingsRetention(RetentionSettings):
    """How long what the ratings workflow leaves behind is kept."""

    reports_days: float = days_kept(90, "reports of ratings runs, beyond the 100 newest that the API shows,")
    predictions_days: float = days_kept(0, "a former champion's answers that the champion has given, too,")
    models: int = Field(
        default=0,
        ge=0,
        description="newest rating models, and last champions, that are kept besides all that are in use; 0: all are",
    )


def compact_ratings(cleaning: Cleaning) -> Counts:
    """Merge the small files of the training table; remove those that no kept version has."""
    from include.ratings import provenance
    from include.ratings.ledger import Ledger
    from include.ratings.settings import RatingsSettings

    ledger = Ledger.existing(cleaning.store.below("training_table"))
    if ledger is None:
        log.info("There is no training table")
        return {}
    retention, used = RatingsSettings.load().retention, provenance.versions_used(cleaning.store.path)
    counts = ledger.compact(retention, used, dry_run=cleaning.sweeper.dry_run)
    log.info("Retention %s days, models have the versions %s: %s", retention, used, counts)
    return counts


def clean_ratings(cleaning: Cleaning) -> Counts:
    """Remove old reports of runs, and answers that the champion has given anew."""
    settings, root = RatingsRetention.load(), cleaning.store.path
    if before := cleaning.before(settings, "reports_days"):
        clean_reports(root, cleaning.sweeper, before)
    if before := cleaning.before(settings, "predictions_days"):
        clean_predictions(root, cleaning.sweeper, before)
    return cleaning.sweeper.removed.as_json()


def remove_unused_models(cleaning: Cleaning) -> Counts:
    """Remove models that nobody refers to, and what killed trainings have left."""
    settings = RatingsRetention.load()
    keep = settings.models
    log.info("%s=%d: %s", settings.variable("models"), keep, "others may go" if keep else "all stay")
    with cleaning.open_registry("ratings") as versions:
        return remove_models(cleaning.store.path, versions, cleaning.sweeper, keep)


RETENTION = Retention(
    RatingsRetention,
    (
        Rule(
            "compact_ratings",
            compact_ratings,
            (
                Removal(
                    "small files (merged), old table versions",
                    "for ever, `RATINGS_RETENTION_DAYS`",
                    "those of models",
                ),
            ),
        ),
        Rule(
            "clean_ratings",
            clean_ratings,
            (
                Removal("reports of runs", "90, `REPORTS_DAYS`", "the newest 100"),
                Removal("answers of former champions", "for ever, `PREDICTIONS_DAYS`", "the last answer to a file"),
            ),
        ),
        Rule(
            "remove_models",
            remove_unused_models,
            (
                Removal("all but the newest models", "for ever; a number, `MODELS`", "champions, alias, answers"),
                Removal("what killed trainings have left", "1", "every model"),
            ),
        ),
    ),
)
