"""Tables of an earlier system or version: what they lack is added, and their rows stay."""

import logging

from sqlalchemy import BigInteger, Column, Engine, Index, Inspector, String, Table, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.schema import CreateColumn, CreateIndex
from sqlalchemy.types import TypeEngine

from include.core.errors import BadDataError

log = logging.getLogger(__name__)

OLD_ROWS = "old_rows"
"""Key in the `info` of a column: its value in rows that are older than the column."""
WIDENED = "widened"
"""Key in the `info` of a small table whose columns may be given wider types."""
DUPLICATE_COLUMN = "uplicate column"
"""Part of the message if another process has added the column; both databases have it."""


TEXTS = (Text, mysql.MEDIUMTEXT, mysql.LONGTEXT)


class ResultTableError(BadDataError):
    """An existing table cannot be used."""


def adopt(engine: Engine, inspector: Inspector, table: Table) -> None:
    """
    Add the columns that an existing table lacks; of a small one, also widen columns and make the key unique.

    Raises:
        ResultTableError: this is not possible; the message names table and columns.
    """
    present = {column["name"]: column["type"] for column in inspector.get_columns(table.name)}
    missing = [column for column in table.columns if column.name not in present]
    if foreign := [each.name for each in missing if not each.nullable and OLD_ROWS not in each.info]:
        raise ResultTableError(
            f"the table {table.name} is another one, without the columns {', '.join(foreign)}: rename it, and a new "
            "one is created"
        )
    for column in missing:
        _alter(engine, table, "ADD COLUMN", column)
    if table.info.get(WIDENED):
        if engine.dialect.name != "sqlite":  # there, types do not limit values
            for column in table.columns:
                if column.name in present and _is_too_small(present[column.name], column.type):
                    _alter(engine, table, "MODIFY COLUMN", column)
        _make_unique(engine, inspector, table)


def _alter(engine: Engine, table: Table, change: str, column: Column[object]) -> None:
    prepare = engine.dialect.identifier_preparer.format_table
    default = f" DEFAULT {column.info[OLD_ROWS]}" if OLD_ROWS in column.info else ""
    definition = CreateColumn(column).compile(dialect=engine.dialect)
    _change(engine, f"ALTER TABLE {prepare(table)} {change} {definition}{default}", f"{table.name}.{column.name}")


def _make_unique(engine: Engine, inspector: Inspector, table: Table) -> None:
    """Make the primary key unique in a table that has neither key nor unique index, as a second task must not pass."""
    key = [column.name for column in table.primary_key]
    unique = [index["column_names"] for index in inspector.get_indexes(table.name) if index["unique"]]
    if inspector.get_pk_constraint(table.name)["constrained_columns"] != key and key not in unique:
        copy = Table(table.name, type(table.metadata)(), *(Column(name, table.c[name].type) for name in key))
        index = Index(f"uq_{table.name}", *copy.columns, unique=True)
        statement = str(CreateIndex(index, if_not_exists=True).compile(dialect=engine.dialect))
        _change(engine, statement, f"{table.name}.{', '.join(key)}")


def _change(engine: Engine, statement: str, what: str) -> None:
    log.warning("%s is adopted: %s", what, statement)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if isinstance(error, OperationalError) and DUPLICATE_COLUMN in str(error.orig):
            return
        raise ResultTableError(
            f"the table of {what} is of an earlier system, and could not be changed ({error.orig}): let its owner run "
            f"{statement.strip()}"
        ) from error


def _is_too_small(theirs: TypeEngine[object], ours: TypeEngine[object]) -> bool:
    """Check whether values of our type do not fit into a column of theirs."""
    if isinstance(theirs, TEXTS):
        return False
    if isinstance(ours, Text):
        return True
    if isinstance(ours, String):
        return (getattr(theirs, "length", None) or 0) < (ours.length or 0)
    return isinstance(ours, BigInteger) and not isinstance(theirs, BigInteger)
