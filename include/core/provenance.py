"""
Provenance: how a row was made, in one shape for all workflows.

A row has a URI, `quartet://<workflow>/<part>/<part>…`, whose parts are percent-encoded. Each workflow says in its
registration which rows it can explain, and its `provenance` module reads them.

A record is what was kept when the row was made, never a guess from what the inputs are today: a source that has changed
since then is named with the checksum that it had, and has no value.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote

from include.core.errors import BadDataError
from include.core.text import excerpt

SCHEME = "quartet"
MAX_EXPLAINED = 1000
"""Rows that one answer explains, however deep it goes."""

Selector = dict[str, Any]
"""Which rows of a data set are meant: a condition of OpenLineage's `subset` facets."""


class RowError(BadDataError):
    """A text is not the URI of a row that can be explained."""


class UnknownRowError(Exception):
    """There is no such row, or it was made before provenance was kept."""


@dataclass(frozen=True)
class Row:
    """A row that a workflow has made or read."""

    workflow: str
    parts: tuple[str, ...]
    """What tells it from others; the meaning of each is the workflow's."""

    def __str__(self) -> str:
        return f"{SCHEME}://{self.workflow}/{'/'.join(quote(part, safe='') for part in self.parts)}"


def parse_row(uri: str) -> Row:
    """
    Read the URI of a row.

    Raises:
        RowError: it is not `quartet://<workflow>/<part>…`.
    """
    scheme, found, rest = uri.partition("://")
    workflow, *parts = rest.split("/")
    if scheme != SCHEME or not found or not workflow or not parts:
        raise RowError(f"a row such as quartet://songs/2019-02-08/dataset/1 was expected, found {excerpt(uri)}")
    return Row(workflow, tuple(map(unquote, parts)))


@dataclass(frozen=True)
class RowKind:
    """A kind of rows that a workflow explains."""

    pattern: tuple[str, ...]
    """Parts of the URI; one such as `{day}` stands for any text."""
    dag: str
    """The DAG that makes the rows; who may see it may see why they are there. It may have parts of the pattern."""
    title: str
    """What a row is, for people."""

    def matches(self, row: Row) -> bool:
        """Return whether a row is of this kind."""
        pairs = zip(self.pattern, row.parts, strict=False)
        return len(self.pattern) == len(row.parts) and all(
            wanted == found or wanted.startswith("{") for wanted, found in pairs
        )

    def dag_of(self, row: Row) -> str:
        """Return the DAG that makes a row of this kind."""
        return self.dag.format_map(
            {name[1:-1]: part for name, part in zip(self.pattern, row.parts, strict=True) if name.startswith("{")}
        )


@dataclass(frozen=True)
class MadeBy:
    """The run that made a row; `None` for what is not known."""

    dag: str | None = None
    run: str | None = None
    task: str | None = None
    code: str | None = None
    """As `code_version` returns it."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Everything else that determines the result."""


@dataclass(frozen=True)
class Source:
    """Something that a row was made from."""

    kind: str
    """Such as `spin`, `rating` or `model`."""
    uri: str
    """The data set: a path below the storage root, a table, or an address without secrets."""
    version: str | None = None
    """Which state of the data set."""
    sha256: str | None = None
    """Checksum of the file, as it was read."""
    selector: Selector | None = None
    """Which rows of the data set; `None`: all of them."""
    share: float | None = None
    """Its contribution to the value, in the unit of the value or as a part of 1; `None`: not a matter of amounts."""
    value: Any = None
    """What was read, in types of JSON; `None`: it is the whole data set, or no longer there."""
    row: str | None = None
    """URI by which it can be explained in turn."""
    why: "Record | None" = None
    """That explanation, if it was asked for."""


@dataclass(frozen=True)
class Checked:
    """Result of the last check of a row's run."""

    verdict: str
    when: str
    """ISO 8601."""


@dataclass(frozen=True)
class Record:
    """How a row was made."""

    row: str
    value: Any
    """In types of JSON."""
    made_by: MadeBy
    sources: Sequence[Source] = ()
    checked: Checked | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the record in types of JSON; the sources are named `from`."""
        return {
            "row": self.row,
            "value": self.value,
            "made_by": asdict(self.made_by),
            "from": [_source_as_json(each) for each in self.sources],
            "checked": asdict(self.checked) if self.checked else None,
        }


def _source_as_json(source: Source) -> dict[str, Any]:
    shallow = {name: value for name, value in vars(source).items() if name not in ("row", "why") or value is not None}
    return shallow | ({"why": source.why.as_json()} if source.why else {})


def explain_deep(explain: Callable[[Row], Record], row: Row, depth: int) -> Record:
    """
    Explain a row, then the sources that can be explained, and so on.

    Args:
        explain: explains one row.
        row: where to begin.
        depth: how far to go, 1 or more; 1: only the row itself.

    Raises:
        UnknownRowError: there is no such row; a source that cannot be explained any more is left as it is.
    """
    left = MAX_EXPLAINED - 1

    def deeper(record: Record, depth: int) -> Record:
        nonlocal left
        sources: list[Source] = []
        for source in record.sources:
            if depth > 1 and left > 0 and source.row:
                left -= 1
                with suppress(UnknownRowError):
                    source = replace(source, why=deeper(explain(parse_row(source.row)), depth - 1))
            sources.append(source)
        return replace(record, sources=sources)

    return deeper(explain(row), depth)


def at(location: str) -> Selector:
    """Select what is at a location in a data set, such as a file or `file#line=3`."""
    return {"type": "location", "locations": [location]}


def equal(**values: Any) -> Selector:
    """Select the rows whose fields have these values."""
    conditions: list[Selector] = [
        {
            "type": "compare",
            "left": {"type": "field", "field": name},
            "right": {"type": "literal", "literal": "" if value is None else str(value)},
            "comparison": "EQUAL",
        }
        for name, value in values.items()
    ]
    found, *others = conditions
    for each in others:
        found = {"type": "binary", "left": found, "right": each, "operator": "AND"}
    return found
