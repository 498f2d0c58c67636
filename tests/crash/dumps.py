"""Canonical forms of what is durable: files, SQLite databases, Delta tables, MLflow."""

import gzip
import hashlib
import json
import re
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Any

from include.core.storage import Store

HEX = re.compile(r"[0-9a-f]{32}")
ASIDE = re.compile(r"\.[0-9a-f]{32}(\.2)?$")
"""Ending of the name of a file that was still being written; no reader takes it for one that counts."""


def files(
    root: Path, without: Collection[str] = (), volatile: Collection[str] = (), *, with_ids: bool = False
) -> dict[str, Any]:
    """
    Return path → content of the files below *root*, with random ids replaced.

    Args:
        root: the folder.
        without: names of folders and files below it that are dumped in another way, or not at all.
        volatile: keys of JSON objects whose values differ between two equal runs, such as durations.
        with_ids: nothing has a random id; what looks like one is a checksum.
    """
    found = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if not path.is_file() or path.name == ".lock" or ASIDE.search(path.name) or set(inside.parts) & set(without):
            continue
        found[inside.as_posix() if with_ids else HEX.sub("#", inside.as_posix())] = _content(path, volatile)
    return found


def sqlite(path: Path, without: Collection[str] = ()) -> dict[str, Any]:
    """Return table → its rows in ascending order, without the columns *without*."""
    if not path.exists():
        return {}
    connection = sqlite3.connect(path)
    try:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            f"{path.name}:{name}": sorted(
                str({key: row[key] for key in row.keys() if key not in without})  # noqa: SIM118
                for row in connection.execute(f'SELECT * FROM "{name}"')
            )
            for name in names
            if not name.startswith("sqlite_")
        }
    finally:
        connection.close()


def delta(folder: Path) -> dict[str, Any]:
    """Return the rows of a Delta table in ascending order, and the files that were ever taken."""
    from include.ratings.data.ledger import Ledger

    if not (ledger := Ledger.existing(Store(folder, str(folder)))):
        return {}
    rows = ledger.read(None, ["user", "movie", "stars", "timestamp", "file", "line"]).to_pylist()
    taken = [each for each in ("a.txt", "b.txt") if not ledger.not_taken([each])]
    return {"table": sorted(map(str, rows)), "table:taken": taken, "table:head": ledger.head()}


def _content(path: Path, volatile: Collection[str]) -> Any:
    data = path.read_bytes()
    if path.suffix == ".gz":
        return hashlib.sha256(b"\n".join(sorted(gzip.decompress(data).split(b"\n")))).hexdigest()
    if path.suffix == ".json":
        return normalised(json.loads(data), volatile)
    return f"{len(data)} bytes, {hashlib.sha256(data).hexdigest()}"


def normalised(value: Any, volatile: Collection[str]) -> Any:
    """Return JSON without the keys *volatile*, and with random ids replaced."""
    if isinstance(value, dict):
        return {key: normalised(each, volatile) for key, each in value.items() if key not in volatile}
    if isinstance(value, list):
        return [normalised(each, volatile) for each in value]
    return HEX.sub("#", value) if isinstance(value, str) else value
