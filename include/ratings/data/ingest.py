"""Ingestion of landed files into the ledger; each file is ingested once, or refused as a whole."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from include.core.errors import BadDataError
from include.core.storage import Store, read_bytes
from include.ratings import layout
from include.ratings.data import landing
from include.ratings.data.ledger import Ledger
from include.ratings.data.rows import Rating, parse_file, parse_rating

MAX_ATTEMPTS = 10


@dataclass
class Ingested:
    """Result of an ingestion."""

    versions: list[int] = field(default_factory=list)
    """New versions of the ledger, oldest first."""
    files: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    rows_added: int = 0
    rows_replaced: int = 0

    def counts(self) -> dict[str, int]:
        """Return its counts by name."""
        return {
            "files": len(self.files),
            "rows_added": self.rows_added,
            "rows_replaced": self.rows_replaced,
            "files_refused": len(self.refused),
        }


def ingest(store: Store, base: Iterable[Rating], run: str, now: float, *, coalesce: bool = True) -> Ingested:
    """
    Commit all landed files that were never taken, in the order of their names.

    Args:
        store: the workflow's folder.
        base: the base ratings; a row with the user and movie of one of them counts as replacing it.
        run: the DAG run that does it.
        now: seconds since 1970; a file that is still being written then is left for later.
        coalesce: one commit for all files, or one for each.

    Raises:
        TimeoutError: other runs took files first, `MAX_ATTEMPTS` times in a row.
    """
    ledger = Ledger(layout.training_table(store))
    found = Ingested()
    for _ in range(MAX_ATTEMPTS):
        files = _fresh_files(store, ledger, now, found)
        if not files:
            return found
        known = {(row.user, row.movie) for rows in (base, ledger.rows()) for row in rows}
        for batch in [files] if coalesce else [{name: rows} for name, rows in files.items()]:
            pairs = [(row.user, row.movie) for rows in batch.values() for row in rows]
            replaced = len(pairs) - len(set(pairs) - known)
            version = ledger.append(batch, replaced, run)
            if version is None:  # another run was faster: start again
                break
            if ledger.is_crowded():
                ledger.compact()
            known.update(pairs)
            found.versions.append(version)
            found.files += batch
            found.rows_added += len(pairs)
            found.rows_replaced += replaced
        else:
            return found
    raise TimeoutError(f"other runs took files first, {MAX_ATTEMPTS} times in a row")


def _fresh_files(store: Store, ledger: Ledger, now: float, found: Ingested) -> dict[str, list[Rating]]:
    landed = landing.landed(store.path, "training")
    fresh = [landed[name] for name in ledger.not_taken(landed)]
    files = {}
    for stored in landing.complete(store.path, "training", fresh, now):
        try:
            data = read_bytes(layout.landed_file(store.path, "training", stored.name))
            files[stored.name] = parse_file(data, parse_rating)
        except BadDataError as error:
            landing.refuse(store.path, "training", stored, str(error))
            found.refused.append(stored.name)
        else:
            landing.accept(store.path, "training", stored.name)
    return files
