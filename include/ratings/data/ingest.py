"""Ingestion of landed files into the ledger; each file is ingested once, or refused as a whole."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from logging import getLogger

from include.core.errors import BadDataError, TransientError
from include.core.storage import Store, StoredObject
from include.core.text import printable
from include.ratings import layout
from include.ratings.data import landing
from include.ratings.data.changed import refuse_changed
from include.ratings.data.landing import Opened
from include.ratings.data.ledger import Ledger
from include.ratings.data.rows import DECIMAL_ID, Rating, parse_rating

log = getLogger(__name__)

MAX_ATTEMPTS = 10


@dataclass
class Ingested:
    """Result of an ingestion."""

    versions: list[int] = field(default_factory=list)
    """New versions of the ledger, oldest first."""
    files: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Printable names."""
    unreadable: set[str] = field(default_factory=set)
    """Printable names of files that could not be read this time."""
    rows_added: int = 0
    rows_replaced: int = 0
    rows_with_decimal_ids: int = 0
    """Rows with an id such as `244.0`, which is another one than `244`."""

    def counts(self) -> dict[str, int]:
        """Return its counts by name; `files_unreadable` and `rows_with_decimal_ids` only if there are some."""
        counts = {
            "files": len(self.files),
            "rows_added": self.rows_added,
            "rows_replaced": self.rows_replaced,
            "files_refused": len(self.refused),
        }
        told = {"files_unreadable": len(self.unreadable), "rows_with_decimal_ids": self.rows_with_decimal_ids}
        return counts | {name: count for name, count in told.items() if count}


def ingest(store: Store, base: Iterable[Rating], run: str, now: float, *, coalesce: bool = True) -> Ingested:
    """
    Commit all landed files that were never taken, in the order of their names.

    A file that is bad or cannot be read costs only itself; new content of one that was taken is refused.

    Args:
        store: the workflow's folder.
        base: the base ratings; a row with the user and movie of one of them counts as replacing it.
        run: the DAG run that does it.
        now: seconds since 1970; a file that is still being written then is left for later.
        coalesce: one commit for all files, or one for each.

    Returns:
        What the run has ingested, with what a killed attempt of it had committed.

    Raises:
        TimeoutError: other runs took files first, `MAX_ATTEMPTS` times in a row.
        TransientError: no file can be read now.
    """
    ledger = Ledger(layout.training_table(store))
    found = _earlier_attempt(ledger, run)
    for _ in range(MAX_ATTEMPTS):
        files = _fresh_files(store, ledger, now, found)
        if not files:
            return found
        known = {(row.user, row.movie) for rows in (base, ledger.rows()) for row in rows}
        for names in [list(files)] if coalesce else [[name] for name in files]:
            batch = {name: files[name].rows for name in names}
            pairs = [(row.user, row.movie) for rows in batch.values() for row in rows]
            replaced = len(pairs) - len(set(pairs) - known)
            version = ledger.append(batch, replaced, run, {name: files[name].sha256 for name in names})
            if version is None:  # another run was faster: start again
                break
            if ledger.is_crowded():
                ledger.compact()
            known.update(pairs)
            found.versions.append(version)
            found.files += batch
            found.rows_added += len(pairs)
            found.rows_replaced += replaced
            found.rows_with_decimal_ids += _decimal_ids(batch)
        else:
            return found
    raise TimeoutError(f"other runs took files first, {MAX_ATTEMPTS} times in a row")


def _earlier_attempt(ledger: Ledger, run: str) -> Ingested:
    """Return what an attempt of the same run had committed before it was killed."""
    found = Ingested()
    for entry in reversed(ledger.history(limit=50)):
        if entry.dag_run_id == run and entry.operation == "ingest":
            found.versions.append(entry.version)
            found.files += entry.files
            found.rows_added += entry.rows_added
            found.rows_replaced += entry.rows_replaced
    return found


def _fresh_files(store: Store, ledger: Ledger, now: float, found: Ingested) -> dict[str, Opened[Rating]]:
    landed = _well_named(store, landing.landed(store.path, "training"), found)
    names = dict.fromkeys(ledger.not_taken(landed))
    fresh = [landed[name] for name in names]
    taken = [stored for name, stored in landed.items() if name not in names]
    found.refused += refuse_changed(store.path, "training", taken, ledger.was_taken, now)
    files: dict[str, Opened[Rating]] = {}
    unavailable = False
    for stored in landing.complete(store.path, "training", fresh, now):
        opened = landing.open_file(store.path, "training", stored, parse_rating)
        unavailable |= opened.outcome == "unavailable"
        if opened.outcome == "good":
            files[stored.name] = opened
        elif opened.outcome == "refused":
            found.refused.append(stored.name)
        elif opened.outcome != "gone":
            found.unreadable.add(stored.name)
    if unavailable and not files:
        raise TransientError(f"training: no landed file can be read now, among them {min(found.unreadable)}")
    return files


def _decimal_ids(batch: Mapping[str, Sequence[Rating]]) -> int:
    count = 0
    for name, rows in batch.items():
        odd = [row for row in rows if DECIMAL_ID.fullmatch(row.user) or DECIMAL_ID.fullmatch(row.movie)]
        if odd:
            log.warning(
                "%s: %d rows have ids such as %s, which are other ids than without .0", name, len(odd), odd[0][:2]
            )
        count += len(odd)
    return count


def _well_named(store: Store, landed: dict[str, StoredObject], found: Ingested) -> dict[str, StoredObject]:
    """Return the files whose names the ledger can hold; the others are refused."""
    good = {}
    for name, stored in landed.items():
        try:
            landing.check_name(name)
        except BadDataError as error:
            landing.refuse(store.path, "training", stored, str(error))
            found.refused.append(printable(name))
        else:
            good[name] = stored
    return good
