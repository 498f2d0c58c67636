"""The ledger: all submitted ratings in one Delta table, one version per commit, every version readable.

A landed file is taken once, ever: each commit carries the names of its files as application transactions, which
survive a restore to an older version.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from include.core.errors import DamagedObjectError
from include.core.storage import Store, has_hard_links, list_objects, read_bytes
from include.ratings.data.damage import RESTORE, check_log, check_values, checksum, is_panic, is_whole, naming_damage
from include.ratings.data.history import DATA_OPERATIONS, Entry, parse_entry
from include.ratings.data.rows import Rating
from include.ratings.errors import UnknownVersionError

SCHEMA = pa.schema(
    [
        ("user", pa.string()),
        ("movie", pa.string()),
        ("stars", pa.float64()),
        ("timestamp", pa.int64()),
        ("file", pa.string()),  # landed file with the row
        ("line", pa.int32()),  # line of the row there, from 1
        ("commit", pa.int64()),  # number of the commit, ascending
        ("run", pa.string()),  # DAG run that ingested the row
        ("checksum", pa.int64()),  # crc32 over the columns before `commit`
    ]
)
KEEP_FOREVER = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
}
WITHOUT_HARD_LINKS = {"MOUNT_ALLOW_UNSAFE_RENAME": "true"}
"""Have Delta commit by renames; of two commits in the same instant one is lost, and its files are taken again."""
MIN_MARK = 1 << 62
"""Numbers of application transactions from here on stand for a content; earlier code wrote 1."""
MAX_FILES = 200
"""Number of table files above which a commit is followed by a compaction."""


class Ledger:
    """The Delta table of submitted ratings below one folder."""

    def __init__(self, store: Store) -> None:
        """Open the table at *store*; create it if it does not exist."""
        self.store = store
        self._options = store.options if has_hard_links(store.path) else store.options | WITHOUT_HARD_LINKS
        check_log(store)
        self._table = self._open()

    @classmethod
    def existing(cls, store: Store) -> "Ledger | None":
        """Open the table at *store*; `None`: it does not exist, and is not created."""
        return cls(store) if DeltaTable.is_deltatable(store.url, store.options) else None

    def _open(self, version: int | None = None) -> DeltaTable:
        try:
            with naming_damage(self.store):
                return DeltaTable(self.store.url, version=version, storage_options=self._options)
        except TableNotFoundError:
            return DeltaTable.create(
                self.store.url,
                schema=DeltaSchema.from_arrow(SCHEMA),
                mode="ignore",
                configuration=KEEP_FOREVER,
                storage_options=self._options,
            )

    def newest(self) -> int:
        """Return the newest version, whatever created it."""
        with naming_damage(self.store):
            self._table.update_incremental()
        return self._table.version()

    def head(self) -> int:
        """Return the newest version that changed rows (compaction does not)."""
        self.newest()
        limit = 10
        while True:
            history = self._table.history(limit)
            for entry in history:
                if entry["operation"] in DATA_OPERATIONS:
                    return entry["version"]
            if len(history) < limit:
                raise DamagedObjectError(f"{self.store.url}: the history of the table has no version that wrote rows")
            limit *= 10

    def data_versions(self, after: int, until: float = math.inf) -> list[int]:
        """Return the versions above *after* that changed rows, made *until* then (seconds since 1970); oldest first."""
        entries = [each for each in self.history(limit=max(self.newest() - after, 0)) if each.time <= until]
        return sorted(
            each.version for each in entries if each.version > after and each.operation in ("ingest", "restore")
        )

    def check_version(self, version: int) -> None:
        """Raise `UnknownVersionError` unless *version* of the table exists."""
        if not 0 <= version <= self.newest():
            raise UnknownVersionError(f"ledger version 0 to {self.newest()} was expected, found {version}")

    def files(self, version: int | None = None) -> dict[str, str]:
        """Return each file with rows in *version* (default: the newest) and the DAG run that took it."""
        table = self.read(version, ["file", "run"]).group_by(["file", "run"]).aggregate([])
        return dict(sorted(zip(table["file"].to_pylist(), table["run"].to_pylist(), strict=True)))

    def not_taken(self, names: Iterable[str]) -> list[str]:
        """Return the files that were never taken; one whose rows a restore removed was taken."""
        self.newest()
        taken = self.files()
        return [name for name in names if name not in taken and self._table.transaction_version(name) is None]

    def rows(self, version: int | None = None) -> list[Rating]:
        """Read the ratings of *version* (default: the newest) in the order of commit, file name and line."""
        table = self.read(version, SCHEMA.names)
        table = table.sort_by([("commit", "ascending"), ("file", "ascending"), ("line", "ascending")])
        columns = [
            table[name].to_pylist() for name in ("user", "movie", "stars", "timestamp", "file", "line", "checksum")
        ]
        rows = []
        for *fields, file, line, written in zip(*columns, strict=True):
            row = Rating(*fields)
            if checksum(row, file, line) != written:
                raise DamagedObjectError(
                    f"{self._damaged_file(version)} is damaged: the row of {file}, line {line}; {RESTORE}"
                )
            rows.append(row)
        return rows

    def read(self, version: int | None, columns: Sequence[str]) -> pa.Table:
        """Read some *columns* of *version* (`None`: the newest); the order of the rows is not defined."""
        if version is None:
            self.newest()
            table = self._table
        else:
            self.check_version(version)
            table = self._open(version)
        try:
            found = table.to_pyarrow_table(columns=list(columns))
            check_values(found)
        except BaseException as error:
            if not isinstance(error, OSError | ValueError | LookupError | DeltaError) and not is_panic(error):
                raise
            if damaged := self._damaged_file(version):
                raise DamagedObjectError(f"{damaged} is damaged: {error}; {RESTORE}") from error
            raise
        return found

    def _damaged_file(self, version: int | None) -> str | None:
        table = self._table if version is None else self._open(version)
        actions = pa.table(table.get_add_actions(flatten=True))
        sizes = dict(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True))
        present = list_objects(self.store.path)
        for name, size in sizes.items():
            path = self.store.path / name
            if name not in present or present[name].size != size or not is_whole(read_bytes(path)):
                return str(path)
        return None

    def was_taken(self, name: str, sha256: str) -> bool | None:
        """Return whether the file *name* was taken with this content; `None`: only that it was taken is known."""
        mark = self._table.transaction_version(name)
        return None if mark is None or mark < MIN_MARK else mark == _mark(sha256)

    def append(
        self,
        files: Mapping[str, Sequence[Rating]],
        rows_replaced: int,
        run: str,
        contents: Mapping[str, str] = MappingProxyType({}),
    ) -> int | None:
        """
        Commit the rows of *files*, in the order of file names, as one version.

        Args:
            files: name → rows in line order; none was taken before.
            rows_replaced: recorded with the commit.
            run: the DAG run that does it.
            contents: name → sha256 of the file, kept for `was_taken`.

        Returns:
            The new version; `None`: another run has taken one of the files meanwhile.
        """
        columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
        commit = self.newest() + 1
        for file in sorted(files):
            for line, row in enumerate(files[file], start=1):
                values = (*row, file, line, commit, run, checksum(row, file, line))
                for name, value in zip(SCHEMA.names, values, strict=True):
                    columns[name].append(value)
        metadata = {
            "files": json.dumps(sorted(files)),
            "rows_added": str(len(columns["line"])),
            "rows_replaced": str(rows_replaced),
            "dag_run_id": run,
        }
        if any(self._table.transaction_version(file) is not None for file in files):
            return None
        try:
            with naming_damage(self.store):
                write_deltalake(
                    self._table,
                    pa.table(columns, schema=SCHEMA),
                    mode="append",
                    commit_properties=CommitProperties(
                        custom_metadata=metadata,
                        app_transactions=[
                            Transaction(file, _mark(contents[file]) if file in contents else 1)
                            for file in sorted(files)
                        ],
                    ),
                )
        except CommitFailedError:
            return None
        return self._version_of(sorted(files)[0])

    def _version_of(self, file: str) -> int:
        return next(each.version for each in self.history(limit=50) if file in each.files)

    def restore(self, version: int, run: str, by: str | None) -> int:
        """
        Restore the rows of *version* as a new version; nothing is lost.

        Raises:
            UnknownVersionError: it does not exist.
        """
        self.check_version(version)
        metadata = {"restored_to": str(version), "dag_run_id": run, "by": by or ""}
        with naming_damage(self.store):
            self._table.restore(version, commit_properties=CommitProperties(custom_metadata=metadata))
        return self.newest()

    def restored_by(self, run: str) -> int | None:
        """Return the version that the DAG run *run* created by a restore, if it did."""
        found = [
            each.version for each in self.history(limit=50) if each.dag_run_id == run and each.operation == "restore"
        ]
        return found[0] if found else None

    def history(self, limit: int | None = None) -> list[Entry]:
        """Return the versions, newest first."""
        if limit is not None and limit <= 0:
            return []
        self.newest()
        with naming_damage(self.store):
            entries = self._table.history(limit)
        return [parse_entry(each) for each in entries]

    def size(self) -> int:
        """Return the number of rows of the newest version, without reading them."""
        self.newest()
        return self._table.count()

    def is_crowded(self) -> bool:
        """Whether the table has so many small files that commits and reads get slow."""
        return self._table.get_add_actions().num_rows > MAX_FILES

    def compact(
        self, retention_days: int | None = None, keep: Sequence[int] = (), *, dry_run: bool = False
    ) -> dict[str, int]:
        """
        Merge small files; every version stays readable unless *retention_days* is set.

        Args:
            retention_days: days to keep files that newer versions do not use; `None`: forever.
            keep: versions that stay readable in any case.
            dry_run: change nothing, only count what would be removed.

        Returns:
            Counts `files_merged`, `files_removed` and `bytes_removed`.
        """
        self.newest()
        merged = 0
        if not dry_run:
            with naming_damage(self.store):
                merged = self._table.optimize.compact()["numFilesRemoved"]
                self._table.create_checkpoint()
        removed: dict[str, int] = {}
        if retention_days is not None:
            present = list_objects(self.store.path)
            listed = {name.rpartition("/")[2] for name in self._vacuum(retention_days, keep, dry_run=True)}
            removed = {name: present[name].size for name in listed & present.keys()}  # files long gone are listed too
            if removed and not dry_run:  # only if needed: it creates two versions
                self._vacuum(retention_days, keep, dry_run=False)
        return {"files_merged": merged, "files_removed": len(removed), "bytes_removed": sum(removed.values())}

    def _vacuum(self, retention_days: int, keep: Sequence[int], *, dry_run: bool) -> list[str]:
        return self._table.vacuum(
            retention_hours=retention_days * 24,
            dry_run=dry_run,
            enforce_retention_duration=False,
            keep_versions=sorted(set(keep)) or None,
        )


def _mark(sha256: str) -> int:
    """Return the number of an application transaction that stands for this content."""
    return MIN_MARK | int(sha256[:15], 16)
