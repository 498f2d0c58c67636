"""What of the song plays may go: broken downloads, leases that have run out, records of listeners nobody has used."""

import logging
import re
from datetime import UTC, datetime

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
from include.core.storage import StoragePath, list_objects, read_json, walk_objects
from include.songs import layout

log = logging.getLogger(__name__)

_INCOMING = re.compile(
    r"(?:spins|listeners)-([0-9-]{10})\.[0-9a-f]{32}"
    r"|job-([0-9-]{10})/(?:metrics\.json|\.?listeners-[0-9a-f]{32}\.snappy\.parquet(?:\.[0-9a-f]{32})?)"
)
_LEASE = re.compile(r"([0-9-]{10})\.json")
_LISTENERS = re.compile(r"([0-9a-f]{64})\.json")


def clean_incoming(root: StoragePath, sweeper: Sweeper, now: datetime, before: float) -> Removed:
    """
    Remove what killed downloads and finished jobs have left, unless a run has the day.

    Args:
        root: the folder of the song plays.
        sweeper: of the storage.
        now: the present, with its zone.
        before: what has changed since stays, in seconds since 1970.
    """
    listed = walk_objects(layout.incoming(root))
    old, busy = {}, set()
    for name, stored in listed.items():
        if (match := _INCOMING.fullmatch(name)) and stored.changed < before:
            day = match[1] or match[2]
            if _is_held(root, day, now):
                busy.add(day)
            else:
                old[name] = stored
    if busy:
        log.info("Runs have the days %s: their files stay", ", ".join(sorted(busy)))
    return sweeper.sweep(layout.incoming(root), old, f"of {len(listed)} files that are left over")


def clean_leases(root: StoragePath, sweeper: Sweeper, before: datetime) -> int:
    """Remove leases that have run out *before*; give how many."""
    folder = root / "leases"
    names = [name for name in list_objects(folder) if _LEASE.fullmatch(name) and sweeper.reaches(folder / name)]
    if sweeper.dry_run:
        done = sum((end := lease.end_of(folder / name)) is not None and end < before for name in names)
    else:
        done = sum(lease.remove_expired(folder / name, before) for name in names)
    verb = "would be removed" if sweeper.dry_run else "removed"
    log.info("%s: %d of %d leases %s", folder, done, len(names), verb)
    return done


def clean_listeners(root: StoragePath, sweeper: Sweeper, before: float) -> Removed:
    """
    Remove the records of fetched listeners that no completed day was made from.

    That of the listeners that were fetched last stays, as does what was fetched since *before*: a day may be under way.
    """
    folder = root / "versions" / "listeners"
    listed = {
        match[1]: stored for name, stored in list_objects(folder).items() if (match := _LISTENERS.fullmatch(name))
    }
    newest = max(listed, key=lambda sha256: listed[sha256].changed, default=None)
    old = {sha256 for sha256, stored in listed.items() if stored.changed < before and sha256 != newest}
    used = _listeners_of_days(root) if old else set()
    gone = {f"{sha256}.json": listed[sha256] for sha256 in sorted(old - used)}
    return sweeper.sweep(folder, gone, f"of {len(listed)} records of listeners")


def _listeners_of_days(root: StoragePath) -> set[str]:
    folder = root / "versions" / "days"
    days = (read_json(folder / name) for name in list_objects(folder))
    return {day["listeners"]["sha256"] for day in days if day and day.get("listeners")}


def _is_held(root: StoragePath, day: str, now: datetime) -> bool:
    end = lease.end_of(root / "leases" / f"{day}.json")
    return end is not None and end > now


class SongRetention(RetentionSettings):
    """How long what the songs workflow leaves behind is kept."""

    incoming_days: float = days_kept(7, "broken downloads and a job's copies of song plays")
    leases_days: float = days_kept(30, "leases of song days that have run out")
    listeners_days: float = days_kept(90, "records of fetched listeners that no day was made from")


def clean_songs(cleaning: Cleaning) -> Counts:
    """Remove broken downloads, leases that have run out, records of listeners that no day refers to."""
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
                Removal("leases that have run out", "30, `LEASES_DAYS`", "those taken again"),
                Removal("records of fetched listeners", "90, `LISTENERS_DAYS`", "those of a day; the newest"),
            ),
        ),
    ),
)
