"""Provenance: which spins and listeners made a line of a day's dataset, or a count."""

import gzip
import hashlib
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from include.core.errors import DamagedObjectError
from include.core.provenance import Checked, MadeBy, Record, Row, Source, UnknownRowError, at, equal
from include.core.storage import (
    StoragePath,
    StoredObject,
    find_object,
    local_copy,
    open_read,
    read_json,
    walk_objects,
)
from include.songs import layout, report
from include.songs.engines import duckdb_job, utf8
from include.songs.layout import DayError, dataset_folder, parse_day
from include.songs.report import Report
from include.songs.results import BLOCK_BYTES, IncompleteError, open_part, read_counts
from include.songs.rules import LONG_SECONDS, REPORT_TIMEZONE
from include.songs.schemas import DATASET, KEY, LISTENERS, SPINS, SourceName

DAG = "song_plays"
MAX_PLAYS = 10_000
"""Plays of a count that are listed one by one; further ones are one source together."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VIEW = """
CREATE TEMP VIEW {name} AS
SELECT {columns}, file_row_number AS position
FROM read_parquet('{file}', hive_partitioning = false, file_row_number = true)
"""
_PLAYS_OF_LINE = """
SELECT {columns}, list(position ORDER BY position) FROM spins
WHERE fake_listener_id = $fake_listener_id AND elapsed_seconds = $elapsed_seconds
    AND fake_artist_id IS NOT DISTINCT FROM $fake_artist_id AND fake_track_id IS NOT DISTINCT FROM $fake_track_id
    AND concat(one_line(artist_name)) = $artist_name AND concat(one_line(track_title)) = $track_title
    AND concat(instant(make_timestamptz(date_time))) = $date_time
    AND concat(one_line(play_source)) = $play_source
GROUP BY ALL ORDER BY min(position)
"""
_LISTENERS_OF_LINE = """
SELECT {columns}, list(position ORDER BY position) FROM listeners
WHERE fake_listener_id = $fake_listener_id AND fake_zipcode IS NOT DISTINCT FROM $fake_zipcode
    AND concat(one_line(age)) = $age AND concat(one_line(gender)) = $gender
    AND concat(one_line(subscription_type)) = $subscription_type AND concat(one_line(country)) = $country
GROUP BY ALL ORDER BY min(position)
"""
_LISTENERS_OF_COUNT = """
SELECT {columns}, list(position ORDER BY position) FROM listeners
WHERE fake_zipcode IS NOT DISTINCT FROM $zip AND concat(one_line(subscription_type)) = $subscription
    AND fake_listener_id IN (SELECT fake_listener_id FROM spins WHERE elapsed_seconds > $long)
GROUP BY ALL ORDER BY min(position)
"""
_PLAYS_OF_COUNT = """
SELECT {columns}, list(position ORDER BY position) FROM spins
WHERE elapsed_seconds > $long AND fake_listener_id IN (SELECT unnest($ids))
GROUP BY ALL ORDER BY min(position)
"""


def explain(root: StoragePath, row: Row) -> Record:
    """
    Explain a row of the song plays; `include.songs.workflow` lists which.

    Args:
        root: folder of the song plays.
        row: the row.

    Raises:
        UnknownRowError: there is no such row.
        DamagedObjectError: the output that it is in is damaged.
    """
    try:
        day, kind, *rest = parse_day(row.parts[0]), *row.parts[1:]
        found = report.read(root, day) if layout.has_outputs(root, day) else None
        if found is None:
            raise UnknownRowError(f"{day} is not complete, or has no report")
        if kind == "dataset":
            return _explain_line(root, row, found, _number(rest[0], 1))
        if kind == "counts":
            return _explain_count(root, row, found, _number(rest[0]) if rest[0] else None, rest[1])
        return _explain_spin(root, row, found, _number(rest[0], 0))
    except (DayError, IncompleteError) as error:
        raise UnknownRowError(str(error)) from None


def _explain_line(root: StoragePath, row: Row, made: Report, number: int) -> Record:
    text = _line(root, date.fromisoformat(made.day), number)
    fields = dict(zip(DATASET, text.split("\t"), strict=True))
    wanted = {name: _typed(name, fields[name]) for name in DATASET}
    inputs = Inputs(root, made)
    plays, listeners = _sources(
        inputs,
        lambda found: (
            found.rows(_PLAYS_OF_LINE, SPINS, {name: wanted[name] for name in SPINS}),
            found.rows(_LISTENERS_OF_LINE, LISTENERS, {name: wanted[name] for name in LISTENERS}),
        ),
        equal(**{KEY: fields[KEY], "date_time": fields["date_time"], "fake_track_id": fields["fake_track_id"]}),
        equal(**{KEY: fields[KEY]}),
    )
    return Record(str(row), text, _made_by(made), [*plays, *listeners], _checked(root, made))


def _explain_count(root: StoragePath, row: Row, made: Report, zip_code: int | None, subscription: str) -> Record:
    counts = read_counts(root, date.fromisoformat(made.day), zip_code, subscription)
    counts = [count for count in counts if count.zip == zip_code]
    if not counts:
        raise UnknownRowError(f"{made.day} has no plays of zip code {zip_code} and subscription {subscription!r}")
    total = sum(count.spins for count in counts)
    inputs = Inputs(root, made)
    group = {"zip": zip_code, "subscription": subscription}

    def select(found: "_Tables") -> tuple[list["_Found"], list["_Found"]]:
        listeners = found.rows(_LISTENERS_OF_COUNT, LISTENERS, {**group, "long": LONG_SECONDS})
        ids = sorted({each.value[KEY] for each in listeners})
        return found.rows(_PLAYS_OF_COUNT, SPINS, {"ids": ids, "long": LONG_SECONDS}), listeners

    rule = equal(fake_zipcode=zip_code, subscription_type=subscription)
    plays, listeners = _sources(inputs, select, rule, rule, total)
    return Record(str(row), total, _made_by(made), [*plays, *listeners], _checked(root, made))


def _explain_spin(root: StoragePath, row: Row, made: Report, position: int) -> Record:
    """Explain a row of the spins by their download."""
    inputs = Inputs(root, made)
    with inputs.opened() as tables:
        query = "SELECT {columns}, [position] FROM spins WHERE position = $position"
        found = tables.rows(query, SPINS, {"position": position}) if tables else []
    if not found:
        raise UnknownRowError(f"the spins of {made.day} have no row {position}, or are no longer what they were")
    version = made.spins or {}
    source = Source(
        "download",
        version.get("source") or "unknown",
        version=version.get("fetched_at"),
        sha256=version.get("sha256"),
        selector=at(f"row={position}"),
    )
    return Record(str(row), found[0].value, MadeBy(DAG, None, "spins", parameters={"day": made.day}), [source])


def _sources(
    inputs: "Inputs", select: Any, spins_rule: dict[str, Any], listeners_rule: dict[str, Any], total: int = 0
) -> tuple[list[Source], list[Source]]:
    """
    Return the sources of both kinds; without their values if an input is gone, but with the rule that selects them.

    Args:
        inputs: the sources of the day.
        select: returns the plays and the listeners.
        spins_rule: selects the plays.
        listeners_rule: selects the listeners.
        total: plays that are counted; 0: one line is explained, and plays that give the same line are equally likely.
    """
    with inputs.opened() as tables:
        if tables is None:
            return [inputs.source("spins", "spin", spins_rule)], [
                inputs.source("listeners", "listener", listeners_rule)
            ]
        plays, listeners = select(tables)
    copies: dict[int, int] = {}
    for each in listeners:
        copies[each.value[KEY]] = copies.get(each.value[KEY], 0) + 1
    shown, more = plays[:MAX_PLAYS], plays[MAX_PLAYS:]
    shares = [copies[each.value[KEY]] / total if total else 1 / len(plays) for each in plays]
    spins = [
        inputs.source("spins", "spin", each.selector(), share, each.value, inputs.row_of(each.positions[0]))
        for each, share in zip(shown, shares, strict=False)
    ]
    if more:
        spins.append(inputs.source("spins", "spins", spins_rule, sum(shares[MAX_PLAYS:])))
    return spins, [inputs.source("listeners", "listener", each.selector(), None, each.value) for each in listeners]


@dataclass(frozen=True)
class _Found:
    """A distinct row of a source, and where it is."""

    value: dict[str, Any]
    positions: list[int]

    def selector(self) -> dict[str, Any]:
        return {"type": "location", "locations": [f"row={position}" for position in self.positions]}


class _Tables:
    """Both sources of a day, in DuckDB."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def rows(self, query: str, columns: Mapping[str, str], values: Mapping[str, Any]) -> list[_Found]:
        """Return the rows that a query selects; instants are ISO 8601 in UTC."""
        found = self._connection.execute(query.format(columns=", ".join(columns)), dict(values)).fetchall()
        return [
            _Found({name: _plain(name, value) for name, value in zip(columns, row[:-1], strict=True)}, row[-1])
            for row in found
        ]


@dataclass(frozen=True)
class Inputs:
    """The sources of a day, as its run read them."""

    root: StoragePath
    made: Report

    @property
    def day(self) -> date:
        return date.fromisoformat(self.made.day)

    def source(
        self,
        name: SourceName,
        kind: str,
        selector: dict[str, Any],
        share: float | None = None,
        value: Any = None,
        row: str | None = None,
    ) -> Source:
        version = (self.made.spins if name == "spins" else self.made.listeners) or {}
        file = layout.spins_file(self.root, self.day) if name == "spins" else layout.listeners_file(self.root)
        return Source(
            kind,
            "songs" + str(file).removeprefix(str(self.root)),
            version=version.get("fetched_at"),
            sha256=self.sha256(name),
            selector=selector,
            share=share,
            value=value,
            row=row,
        )

    def row_of(self, position: int) -> str:
        return str(Row("songs", (self.made.day, "spins", str(position))))

    def sha256(self, name: SourceName) -> str | None:
        version = (self.made.spins if name == "spins" else self.made.listeners) or {}
        known = (self.made.metrics or {}).get("listeners_sha256") if name == "listeners" else None
        return version.get("sha256") or known

    def find(self, name: SourceName) -> StoragePath | None:
        """Return a file with the content that the run read; `None`: it is gone."""
        if name == "spins":
            candidates = [layout.spins_file(self.root, self.day)]
        else:
            folder = layout.job_folder(self.root, self.day)
            candidates = [folder / each for each in walk_objects(folder) if each.endswith(".parquet")]
            candidates.append(layout.listeners_file(self.root))
        sha256 = self.sha256(name)
        for path in candidates:
            stored = find_object(path)
            if stored and (_sha256(path, stored.fingerprint) == sha256 if sha256 else self._is_older(stored)):
                return path
        return None

    def _is_older(self, stored: StoredObject) -> bool:
        """Return whether a file that was put there by hand has not changed since the run."""
        end = self.made.finished_at
        return end is not None and stored.changed <= datetime.fromisoformat(end).timestamp()

    @contextmanager
    def opened(self) -> Iterator[_Tables | None]:
        """Yield both sources; `None` if one is gone."""
        spins, listeners = self.find("spins"), self.find("listeners")
        if spins is None or listeners is None:
            yield None
            return
        zone = (self.made.metrics or {}).get("report_timezone", REPORT_TIMEZONE)
        with tempfile.TemporaryDirectory() as name, closing(duckdb.connect(config={"threads": 1})) as connection:
            files = [local_copy(spins, Path(name)), local_copy(listeners, Path(name))]
            if (self.made.metrics or {}).get("rows_not_utf8"):
                files = _copies(files, Path(name))
            connection.execute(duckdb_job.MACROS)
            connection.execute("SET TimeZone = $zone", {"zone": zone})
            for view, file, columns in zip(("spins", "listeners"), files, (SPINS, LISTENERS), strict=True):
                read = ["epoch_us(date_time) AS date_time" if each == "date_time" else each for each in columns]
                quoted = str(file).replace("'", "''")
                connection.execute(_VIEW.format(name=view, columns=", ".join(read), file=quoted))
            yield _Tables(connection)


def _copies(files: Sequence[Path], folder: Path) -> list[Path]:
    """Return copies of both sources whose texts are all UTF-8."""
    copies = [folder / "spins", folder / "listeners"]
    utf8.rewrite("spins", files[0], copies[0], SPINS)
    utf8.rewrite("listeners", files[1], copies[1], LISTENERS)
    return copies


def _made_by(made: Report) -> MadeBy:
    metrics = made.metrics or {}
    parameters = {"day": made.day, "minrows": made.minrows, "report_timezone": metrics.get("report_timezone")}
    return MadeBy(DAG, made.run_id, made.engine, made.code, parameters)


def _checked(root: StoragePath, made: Report) -> Checked | None:
    """Return the verdict of the last replay of the day."""
    found = read_json(layout.replay_file(root, date.fromisoformat(made.day)))
    return Checked(found["verdict"], found["when"]) if found and found["run"] == made.run_id else None


def _line(root: StoragePath, day: date, number: int) -> str:
    """Return a line of the dataset, from 1, without its end; the header does not count."""
    with open_part(root, day, dataset_folder).file as file:
        try:
            with gzip.GzipFile(fileobj=file) as lines:
                found = next(islice(lines, number, None), None)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DamagedObjectError(f"{dataset_folder(root, day)} does not hold a dataset: {error}") from error
    if found is None:
        raise UnknownRowError(f"the dataset of {day} has no line {number}")
    return found.decode().removesuffix("\n")


def _number(text: str, least: int = -(2**31)) -> int:
    try:
        number = int(text)
    except ValueError:
        number = None
    if number is None or number < least or str(number) != text:
        raise UnknownRowError(f"a number from {least} was expected, found {text[:40]!r}")
    return number


def _typed(name: str, text: str) -> Any:
    return (int(text) if text else None) if DATASET[name] in ("int", "bigint") else text


def _plain(name: str, value: Any) -> Any:
    if name != "date_time" or value is None:
        return value
    try:
        return (_EPOCH + timedelta(microseconds=value)).isoformat()
    except OverflowError:
        return f"{value} microseconds after 1970"


@lru_cache(maxsize=256)
def _sha256(path: StoragePath, _fingerprint: str) -> str:
    """Return the checksum of a file, which is read once per content."""
    digest = hashlib.sha256()
    with open_read(path, BLOCK_BYTES)[0] as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
