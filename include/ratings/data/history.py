"""History of the training table: what each version of it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.core.errors import DamagedObjectError

DATA_OPERATIONS = {"CREATE TABLE": "create", "WRITE": "ingest", "RESTORE": "restore"}
"""Delta's names of the operations that change rows."""
OTHER_OPERATIONS = {"OPTIMIZE": "compact", "VACUUM START": "vacuum", "VACUUM END": "vacuum"}


@dataclass(frozen=True)
class Entry:
    """One version of the training table."""

    version: int
    time: float
    """Seconds since 1970."""
    operation: str
    """`create`, `ingest`, `restore`, `compact` or `vacuum`."""
    files: list[str]
    rows_added: int
    rows_replaced: int
    """How many of the added rows replaced an older rating of the same user and movie."""
    dag_run_id: str | None
    by: str | None
    """Who asked for a restore."""
    restored_to: int | None


def parse_entry(raw: Mapping[str, Any]) -> Entry:
    """
    Read an entry of Delta's history, with the metadata that `Ledger` adds to a commit.

    Raises:
        DamagedObjectError: the entry is not what was written.
    """
    try:
        return _entry(raw)
    except (KeyError, TypeError, ValueError) as error:
        version = raw.get("version")
        raise DamagedObjectError(
            f"training table: the log of version {version} is damaged: {error!r}; restore it from a backup"
        ) from error


def _entry(raw: Mapping[str, Any]) -> Entry:
    operation: str = raw["operation"]
    return Entry(
        version=raw["version"],
        time=raw["timestamp"] / 1000,
        operation=(DATA_OPERATIONS | OTHER_OPERATIONS).get(operation, operation.lower()),
        files=json.loads(raw.get("files", "[]")),
        rows_added=int(raw.get("rows_added", 0)),
        rows_replaced=int(raw.get("rows_replaced", 0)),
        dag_run_id=raw.get("dag_run_id"),
        by=raw.get("by") or None,
        restored_to=int(raw["restored_to"]) if "restored_to" in raw else None,
    )
