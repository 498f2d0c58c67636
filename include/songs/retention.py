"""Retention of song plays: housekeeping removes broken downloads, expired leases, unused listeners' records."""

import logging
from datetime import UTC, date, datetime

from include.core import lease
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
from include.core.storage import StoragePath, StoredObject, list_objects, walk_objects
from include.songs import layout, report

log = logging.getLogger(__name__)


class SongRetention(RetentionSettings):
    """Retention settings of the songs workflow."""

    incoming_days: float = days_kept(7, "broken downloads of song plays, and a job's copies")
    leases_days: float = days_kept(30, "expired leases of song days")
    listeners_days: float = days_kept(90, "records of downloaded listeners that no day was made from")


def clean_incoming(root: StoragePath, sweeper: Sweeper, now: datetime, before: float) -> Removed:
    """
    Remove what killed downloads and finished jobs left behind, except of days that a run has.

    Args:
        root: the folder of the song plays.
        sweeper: of the storage.
        now: the present, with its zone.
        before: files that changed later are kept, in seconds since 1970.
    """
    listed = walk_objects(layout.incoming(root))
    old: dict[str, StoredObject] = {}
    busy: set[date] = set()
    for name, stored in listed.items():
        if (day := layout.day_of_incoming(name)) and stored.changed < before:
            if _is_held(root, day, now):
                busy.add(day)
            else:
                old[name] = stored
    if busy:
        log.info("Runs have the days %s: their files are kept", ", ".join(map(str, sorted(busy))))
    return sweeper.sweep(layout.incoming(root), old, f"of {len(listed)} files of downloads and jobs")


def clean_leases(root: StoragePath, sweeper: Sweeper, before: datetime) -> int:
    """Remove the leases that expired *before*; return their number."""
    folder = layout.leases(root)
    paths = [folder / name for name in list_objects(folder) if layout.day_of_lease(name)]
    paths = [path for path in paths if sweeper.reaches(path)]
    if sweeper.dry_run:
        done = sum((end := lease.end_of(path)) is not None and end < before for path in paths)
    else:
        done = sum(lease.remove_expired(path, before) for path in paths)
    verb = "would be removed" if sweeper.dry_run else "removed"
    log.info("%s: %d of %d leases %s", folder, done, len(paths), verb)
    return done


def clean_listeners(root: StoragePath, sweeper: Sweeper, before: float) -> Removed:
    """
    Remove the versions of listeners that no completed day was made from.

    The newest version is kept, and so are those written since *before*: a day may be under way.
    """
    folder = layout.listeners_records(root)
    listed = {sha256: each for name, each in list_objects(folder).items() if (sha256 := layout.sha256_of_record(name))}
    newest = max(listed, key=lambda sha256: listed[sha256].changed, default=None)
    old = {sha256 for sha256, stored in listed.items() if stored.changed < before and sha256 != newest}
    used = _listeners_of_days(root) if old else set()
    gone = {layout.listeners_record(root, sha256).name: listed[sha256] for sha256 in sorted(old - used)}
    return sweeper.sweep(folder, gone, f"of {len(listed)} records of listeners")


def _listeners_of_days(root: StoragePath) -> set[str]:
    days = (report.read(root, day) for day in layout.reported_days(root))
    return {day.listeners["sha256"] for day in days if day and day.listeners}


def _is_held(root: StoragePath, day: date, now: datetime) -> bool:
    end = lease.end_of(layout.lease_file(root, day))
    return end is not None and end > now


def clean_songs(cleaning: Cleaning) -> Counts:
    """Remove broken downloads, expired leases, and versions of the listeners that no day refers to."""
    settings, root, leases = SongRetention.load(), cleaning.store.path, 0
    if before := cleaning.before(settings, "incoming_days"):
        clean_incoming(root, cleaning.sweeper, datetime.fromtimestamp(cleaning.now, UTC), before)
    if before := cleaning.before(settings, "leases_days"):
        leases = clean_leases(root, cleaning.sweeper, datetime.fromtimestamp(before, UTC))
    if before := cleaning.before(settings, "listeners_days"):
        clean_listeners(root, cleaning.sweeper, before)
    return {"leases": leases, **cleaning.sweeper.removed.as_json()}


RETENTION = Retention(
    SongRetention,
    (
        Rule(
            "clean_songs",
            clean_songs,
            (
                Removal("broken downloads, jobs' copies", "7, `INCOMING_DAYS`", "days that a run has"),
                Removal("expired leases", "30, `LEASES_DAYS`", "those taken again"),
                Removal("records of downloaded listeners", "90, `LISTENERS_DAYS`", "those of a day; the newest"),
            ),
        ),
    ),
)
