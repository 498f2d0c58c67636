"""The SQLite files in which earlier releases kept the databases: their rows are copied into PostgreSQL.

Both databases have the same tables, made by the same migrations, so a row is copied as text, which PostgreSQL reads as
the type of the column: 0 and 1 as booleans, 32 hexadecimal digits as a UUID, times without a zone as UTC.
"""

import io
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, inspect, make_url, text

from deploy.embedded.migrations import migrate
from include.core.database.engine import open_engine

BATCH_ROWS = 5_000
NULL = "\\N"


@contextmanager
def upgraded(name: str, path: Path) -> Iterator[Path]:
    """Copy the file *path* of the database *name*, migrate the copy to the newest tables, and delete it at the end."""
    copy = path.with_name(f"{path.name}.partial")
    try:
        copy.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(copy)) as new:
            old.backup(new)
        # a process of its own, because Airflow knows only one database in each
        subprocess.run([sys.executable, "-m", "deploy.embedded.sqlite_files", name, str(copy)], check=True)
        yield copy
    finally:
        for file in path.parent.glob(f"{copy.name}*"):
            file.unlink(missing_ok=True)


def copy_into(url: URL, path: Path) -> None:
    """Replace the rows of the database at *url* by those of the SQLite file *path*, in one transaction."""
    with open_engine(url) as engine, engine.begin() as target, closing(sqlite3.connect(path)) as source:
        source.text_factory = lambda raw: raw.decode(errors="replace")
        target.execute(text("SET LOCAL session_replication_role = replica"))  # foreign keys hold already
        target.execute(text("SET LOCAL timezone = 'UTC'"))
        inspector = inspect(target)
        there = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table in inspector.get_table_names():
            if table not in there:
                continue
            known = {row[1] for row in source.execute(f'PRAGMA table_info("{table}")')}
            columns = [column["name"] for column in inspector.get_columns(table) if column["name"] in known]
            _copy_table(source, target, table, columns)
            _advance_sequences(target, table, columns)


def _copy_table(source: sqlite3.Connection, target: Connection, table: str, columns: list[str]) -> None:
    names = ", ".join(f'"{column}"' for column in columns)
    target.execute(text(f'DELETE FROM "{table}"'))  # noqa: S608 - a table's name
    rows = source.execute(f'SELECT {names} FROM "{table}"')  # noqa: S608 - names of columns
    cursor: Any = target.connection.cursor()
    while batch := rows.fetchmany(BATCH_ROWS):
        statement = f"COPY \"{table}\" ({names}) FROM STDIN WITH (FORMAT csv, NULL '{NULL}')"
        cursor.copy_expert(statement, _as_csv(batch))


def _as_csv(rows: Iterable[tuple[Any, ...]]) -> io.StringIO:
    """Write rows as CSV, in which a null is the only value without quotation marks."""
    return io.StringIO("".join(f"{','.join(map(_field, row))}\n" for row in rows))


def _field(value: Any) -> str:
    if value is None:
        return NULL
    written = f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
    return '"' + written.replace('"', '""') + '"'


def _advance_sequences(target: Connection, table: str, columns: list[str]) -> None:
    """Let each sequence go on after the largest key."""
    for column in columns:
        find = text("SELECT pg_get_serial_sequence(:table, :column)")
        if sequence := target.scalar(find, {"table": f'"{table}"', "column": column}):
            largest = target.scalar(text(f'SELECT max("{column}") FROM "{table}"'))  # noqa: S608
            if largest is not None and largest > 0:  # MLflow's first experiment is number 0
                target.execute(text("SELECT setval(:sequence, :value)"), {"sequence": sequence, "value": largest})


if __name__ == "__main__":
    migrate(sys.argv[1], make_url("sqlite://").set(database=sys.argv[2]))
