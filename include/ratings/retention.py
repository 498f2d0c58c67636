"""Retention of ratings: housekeeping removes old reports, outdated predictions, unused models, small table files."""

import logging
import re
from collections.abc import Iterable, Mapping

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
from include.core.storage import StoragePath, find_object, list_objects, walk_objects
from include.ratings import layout
from include.ratings.layout import FAILURE
from include.ratings.models import cards
from include.ratings.models.champion import read_champion

log = logging.getLogger(__name__)

REPORTS_SHOWN = 100
"""Number of runs per DAG whose reports the API shows."""
_PREDICTION = re.compile(r"([1-9][0-9]*)/([^/]+)")


def clean_reports(root: StoragePath, sweeper: Sweeper, before: float) -> Removed:
    """Remove reports that were written before the instant *before*; the newest of each kind of run stay."""
    done = Removed()
    for job in layout.REPOS:
        folder = layout.reports(root, job)
        listed = {name: each for name, each in list_objects(folder).items() if name.endswith(".json")}
        newest_first = sorted(listed, key=lambda name: listed[name].changed, reverse=True)
        old = {name: listed[name] for name in newest_first[REPORTS_SHOWN:] if listed[name].changed < before}
        done += sweeper.sweep(folder, old, f"of {len(listed)} reports")
    return done


def clean_predictions(root: StoragePath, sweeper: Sweeper, before: float) -> Removed:
    """
    Remove predictions of former champions from before the instant *before*, if the champion has predicted the file.

    The last prediction for a file always stays. The record of a prediction is removed after it.
    """
    champion, predictions, records = read_champion(root), layout.predictions(root), layout.prediction_records(root)
    if champion is None:
        log.info("%s: no champion, all predictions stay", predictions)
        return Removed()
    found, recorded = walk_objects(predictions), walk_objects(records)
    predicted = {name for version, name in _parts(found) if version == champion.version}
    outdated = {f"{version}/{name}" for version, name in _parts(found) if version != champion.version}
    gone = {
        each: found[each]
        for each in outdated
        if found[each].changed < before and each.partition("/")[2] in {*predicted, FAILURE}
    }
    done = sweeper.sweep(predictions, gone, f"of {len(outdated)} predictions of former champions")
    kept = walk_objects(predictions).keys() - (gone.keys() if sweeper.dry_run else ())
    needed = {f"{version}/{layout.record_name(name)}" for version, name in _parts(kept)}
    orphans = {
        each: stored
        for each, stored in recorded.items()
        if (match := _PREDICTION.fullmatch(each))
        and int(match[1]) != champion.version
        and stored.changed < before
        and each not in needed
    }
    return done + sweeper.sweep(records, orphans, "records of them")


def _parts(listed: Iterable[str]) -> list[tuple[int, str]]:
    return [(int(match[1]), match[2]) for name in listed if (match := _PREDICTION.fullmatch(name))]


def superseded(root: StoragePath, registered: Mapping[int, RegisteredVersion], keep: int) -> list[int]:
    """
    Return the unused model versions, oldest first.

    These are used: the champion and the last *keep* champions before it, the newest *keep* versions, a version with an
    alias, a version with predictions; if *keep* is 0, all.
    """
    champion = read_champion(root)
    if champion is None or not keep:
        return []
    newest = sorted(registered, reverse=True)[:keep]
    aliased = {version for version, each in registered.items() if each.aliases}
    predicting = {version for version, _ in _parts(walk_objects(layout.predictions(root)))}
    used = {champion.version, *champion.previous[:keep], *newest, *aliased, *predicting}
    return sorted(registered.keys() - used)


def remove_models(root: StoragePath, registry: ModelVersions, sweeper: Sweeper, keep: int) -> dict[str, int]:
    """
    Remove the unused model versions: card, registry entry, files, run, in this order.

    Without its card a version cannot be rolled back to; without its entry no training reuses it. If this is killed, a
    version is either complete or a run without a version, whose files and entry are removed the next time.

    Args:
        root: the workflow's folder.
        registry: versions of the model.
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
    card, stored = cards.read_card(root, version), find_object(layout.card_file(root, version))
    if card and stored:
        sweeper.sweep(layout.cards(root), {stored.name: stored}, f"card of model {version}")
    if not sweeper.dry_run:
        now, champion = registry.find(version), read_champion(root)
        if (now and now.aliases) or champion is None or champion.version == version:  # a rollback has just happened
            if card:
                cards.write_card(root, card)
            log.warning("Model %d stays: it is now in use", version)
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
    """Retention settings of the ratings workflow."""

    reports_days: float = days_kept(90, "reports of ratings runs, beyond the 100 newest that the API shows")
    predictions_days: float = days_kept(
        0, "a former champion's predictions once the current champion has predicted the same file"
    )
    models: int = Field(
        default=0,
        ge=0,
        description="newest rating models, and last champions, to keep besides all that are in use; 0: all",
    )


def compact_ratings(cleaning: Cleaning) -> Counts:
    """Merge small files of the training table; remove those that only expired versions use."""
    from include.ratings import provenance
    from include.ratings.data.ledger import Ledger
    from include.ratings.settings import RatingsSettings

    ledger = Ledger.existing(layout.training_table(cleaning.store))
    if ledger is None:
        log.info("There is no training table")
        return {}
    retention, used = RatingsSettings.load().retention, provenance.versions_used(cleaning.store.path)
    counts = ledger.compact(retention, used, dry_run=cleaning.sweeper.dry_run)
    log.info("Retention %s days, models have the versions %s: %s", retention, used, counts)
    return counts


def clean_ratings(cleaning: Cleaning) -> Counts:
    """Remove old reports of runs, and predictions that the champion has renewed."""
    settings, root = RatingsRetention.load(), cleaning.store.path
    if before := cleaning.before(settings, "reports_days"):
        clean_reports(root, cleaning.sweeper, before)
    if before := cleaning.before(settings, "predictions_days"):
        clean_predictions(root, cleaning.sweeper, before)
    return cleaning.sweeper.removed.as_json()


def remove_unused_models(cleaning: Cleaning) -> Counts:
    """Remove unused models, and runs that killed trainings have left."""
    settings = RatingsRetention.load()
    keep = settings.models
    log.info("%s=%d: %s", settings.variable("models"), keep, "the others may go" if keep else "all stay")
    return remove_models(cleaning.store.path, cleaning.model_versions("ratings"), cleaning.sweeper, keep)


RETENTION = Retention(
    RatingsRetention,
    (
        Rule(
            "compact_ratings",
            compact_ratings,
            (
                Removal(
                    "small files (merged), old table versions",
                    "forever, `RATINGS_RETENTION_DAYS`",
                    "those of models",
                ),
            ),
        ),
        Rule(
            "clean_ratings",
            clean_ratings,
            (
                Removal("reports of runs", "90, `REPORTS_DAYS`", "the newest 100"),
                Removal("predictions of former champions", "forever, `PREDICTIONS_DAYS`", "the last one for a file"),
            ),
        ),
        Rule(
            "remove_models",
            remove_unused_models,
            (
                Removal("all but the newest models", "forever; a number, `MODELS`", "champions, aliases, predictions"),
                Removal("runs that killed trainings have left", "1", "every model"),
            ),
        ),
    ),
)
