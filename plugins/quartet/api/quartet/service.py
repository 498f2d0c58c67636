"""Service behind the routes of the platform's API; independent of HTTP."""

from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Literal

from include.core.lineage import as_openlineage, as_prov
from include.core.provenance import SCHEME, Record, Row, RowError, RowKind, explain_deep, parse_row
from include.core.workflow import Workflow
from include.workflows import WORKFLOWS, named

Form = Literal["json", "prov", "openlineage"]


def find_kind(row: Row) -> RowKind:
    """
    Return the kind of a row.

    Raises:
        RowError: no workflow explains such rows.
    """
    with suppress(KeyError):
        for kind in named(row.workflow).rows:
            if kind.matches(row):
                return kind
    known = ", ".join(pattern(workflow, kind) for workflow in WORKFLOWS for kind in workflow.rows)
    raise RowError(f"one of {known} was expected, found {str(row)[:200]!r}")


def pattern(workflow: Workflow, kind: RowKind) -> str:
    """Return the URIs of a kind of rows, with a name in braces for each part that varies."""
    return f"{SCHEME}://{workflow.name}/{'/'.join(kind.pattern)}"


def why(uri: str, depth: int) -> Record:
    """
    Explain a row.

    Args:
        uri: of the row.
        depth: see `explain_deep`.

    Raises:
        RowError: no workflow explains such rows.
        UnknownRowError: there is no such row.
    """
    row = parse_row(uri)
    find_kind(row)
    explain = import_module(f"quartet.workflows.{row.workflow}").explain
    return explain_deep(explain, row, depth)


def rendered(record: Record, form: Form) -> Any:
    """Return a record in types of JSON, in one of three forms."""
    if form == "prov":
        return as_prov(record)
    if form == "openlineage":
        return as_openlineage(record, datetime.now(UTC).isoformat())
    return record.as_json()
