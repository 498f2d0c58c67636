"""Tables of a result schema, created when they are first needed."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Double,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable

from include.audience.results import adoption
from include.audience.source.oddities import MAX_ID_CHARACTERS

PRODUCTION_PREFIX = "wh_panel_mapping_"
BOOKKEEPING = "bookkeeping"
"""Key in the `info` of a column that is never shown."""

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}
_LONG = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_MEDIUM = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")

metadata = MetaData()

STATE = Table(
    "state",
    metadata,
    Column("task_id", String(32), primary_key=True),
    Column("stat", String(32), nullable=False),
    Column("prod_stat", String(10)),
    Column("model_type", String(32), nullable=False),
    Column("predict_type", String(32), nullable=False),
    Column("date_range", Text),
    Column("target_table", String(64), nullable=False),  # holds the source schema
    Column("create_time", DateTime, nullable=False, index=True),
    Column("peak_memory", Float),
    Column("length_receive_table", BigInteger),
    Column("length_output_table", BigInteger),
    Column("length_prod_table", Text),
    Column("result", Text),
    Column("uniq_source_author", Text),
    Column("rate_of_label", Text),
    Column("run_time", Double),
    Column("check_point", DateTime),
    Column("error_message", Text),
    Column("dag_run_id", String(250), info={BOOKKEEPING: True}),
    # µs since 1970, orders the tasks
    Column("inserted", BigInteger, nullable=False, info={BOOKKEEPING: True, adoption.OLD_ROWS: 0}),
    info={adoption.WIDENED: True},
    **_OPTIONS,
)

PROGRESS = Table(
    "label_progress",
    metadata,
    Column("task_id", String(32), primary_key=True),
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("check_point", DateTime),  # start of the first unwritten window; null: the batch is done
    Column("received", BigInteger, nullable=False),
    Column("began", Double),  # seconds since 1970
    Column("wrote", Double),
    Column("oddities", Text),  # JSON, see `source/oddities.py`; null: none
    **_OPTIONS,
)

COVERAGE = Table(
    "pattern_coverage",
    metadata,
    Column("task_id", String(32), primary_key=True),
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("panel", String(200), primary_key=True),  # empty: all panels together
    Column("pattern", Integer, primary_key=True, autoincrement=False),  # index in the pinned rules; -1: the whole panel
    Column("matched", BigInteger, nullable=False),
    Column("sole", BigInteger, nullable=False),
    Column("conflict", BigInteger, nullable=False),
    **_OPTIONS,
)


@cache
def temp(name: str) -> Table:
    """Return the table of labelled rows of a source group such as `fbfans`."""
    return Table(
        name,
        MetaData(),  # one per table, so that threads can define the same table concurrently
        Column("id", String(MAX_ID_CHARACTERS), nullable=False),
        Column("task_id", String(32), nullable=False),
        Column("source_author", _MEDIUM, nullable=False),
        Column("panel", String(200), nullable=False),
        Column("create_time", DateTime, nullable=False),
        Column("field_content", Text, nullable=False),
        Column("match_content", _LONG, nullable=False),
        Index(f"ix_{name}_task", "task_id", "create_time"),
        **_OPTIONS,
    )


def production(name: str) -> Table:
    """Return the result table of a source group."""
    return temp(PRODUCTION_PREFIX + name)


def existing(engine: Engine) -> set[str]:
    """Return the names of the tables in the schema."""
    return set(inspect(engine).get_table_names())


def ensure(engine: Engine, tables: Iterable[Table]) -> None:
    """
    Create missing tables, columns and indexes; other processes may do the same concurrently.

    Existing indexes are not touched: altering one would wait for every user of the table.

    Raises:
        ResultTableError: an existing table cannot be used; the message names it and its columns.
    """
    inspector = inspect(engine)
    for table in tables:
        known: set[str | None] = set()
        if inspector.has_table(table.name):
            adoption.adopt(engine, inspector, table)
            known = {index["name"] for index in inspector.get_indexes(table.name)}
        else:
            with engine.begin() as connection:
                connection.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            if index.name not in known:
                with engine.begin() as connection:
                    connection.execute(CreateIndex(index, if_not_exists=True))
