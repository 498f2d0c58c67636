"""The job on DuckDB, for days that do not need Spark. Sources are local files; outputs are local or in S3."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from include.core.storage import StoragePath
from include.songs.engines import gzip_output, utf8
from include.songs.engines.arrow_lines import text_of
from include.songs.engines.metrics import JobMetrics
from include.songs.engines.parquet import check_footer
from include.songs.layout import SUCCESS
from include.songs.rules import LONG_SECONDS, bounds, validate
from include.songs.schemas import ANALYSIS, DATASET, LISTENERS, SPINS, SourceError, header

log = logging.getLogger(__name__)

BLOCK_ROWS = 100_000
"""Rows that are compressed at a time, about 12 MB of text."""

_SPIN_COUNTS = """
SELECT count(*),
    count(*) FILTER (epoch_us(date_time) NOT BETWEEN $first AND $last),
    count(*) FILTER (elapsed_seconds > $long)
FROM read_parquet($spins, hive_partitioning = false)
"""
_REPLACED = """
SELECT (SELECT count(*) FROM read_parquet($spins) WHERE replaced AND elapsed_seconds > $long)
    + (SELECT count(*) FROM read_parquet($listeners) WHERE replaced)
"""
# Plays and listeners are deduplicated before the join: the result has the rows of a deduplicated join.
_PLAYS = """
CREATE OR REPLACE TEMP TABLE plays AS
SELECT fake_artist_id, artist_name, fake_track_id, track_title, make_timestamptz(epoch_us(date_time)) AS date_time,
    elapsed_seconds, play_source, fake_listener_id, count(*) AS play_copies
FROM read_parquet($spins, hive_partitioning = false)
WHERE elapsed_seconds > $long
GROUP BY ALL
"""
_LISTENERS = """
CREATE OR REPLACE TEMP TABLE listeners AS
SELECT fake_listener_id, age, gender, subscription_type, country, fake_zipcode, count(*) AS listener_copies
FROM read_parquet($listeners, hive_partitioning = false)
GROUP BY ALL
"""
_PAIRS = "CREATE OR REPLACE TEMP VIEW pairs AS SELECT * FROM plays JOIN listeners USING (fake_listener_id)"
_WITHOUT_LISTENER = (
    "SELECT coalesce(sum(play_copies), 0)::bigint FROM plays ANTI JOIN listeners USING (fake_listener_id)"
)
_JOINED = "SELECT coalesce(sum(play_copies * listener_copies), 0)::bigint, count(*) FROM pairs"
_COUNTS = """
CREATE OR REPLACE TEMP TABLE counts AS
SELECT fake_zipcode, subscription_type, count(*) AS spins
FROM pairs
GROUP BY ALL
"""
# Offsets such as -05, +05:30 or -04:56:02 (before 1900) are written as hours and minutes.
MACROS = r"""
CREATE TEMP MACRO one_line(value) AS CASE
    WHEN regexp_matches(value, '[\t\n\r\x00]') THEN translate(value, chr(9) || chr(10) || chr(13) || chr(0), '    ')
    ELSE value
END;
CREATE TEMP MACRO offset_of(value) AS CASE
    WHEN value = '+00' THEN 'Z'
    WHEN length(value) = 3 THEN value || ':00'
    ELSE left(value, 6)
END;
CREATE TEMP MACRO with_offset(value) AS left(value, 23) || offset_of(substr(value, 24));
CREATE TEMP MACRO instant(value) AS with_offset(strftime(value, '%Y-%m-%dT%H:%M:%S.%g%z'));
"""
_DATASET_LINES = """
SELECT concat(
    fake_listener_id, chr(9), fake_artist_id, chr(9), one_line(artist_name), chr(9), fake_track_id, chr(9),
    one_line(track_title), chr(9), instant(date_time), chr(9), elapsed_seconds, chr(9), one_line(play_source), chr(9),
    one_line(age), chr(9), one_line(gender), chr(9), one_line(subscription_type), chr(9), one_line(country), chr(9),
    fake_zipcode, chr(10)
)
FROM pairs
"""
_ANALYSIS_LINES = """
SELECT concat(fake_zipcode, chr(9), one_line(subscription_type), chr(9), spins, chr(10))
FROM counts
ORDER BY fake_zipcode NULLS FIRST, subscription_type NULLS FIRST
"""


def run(
    day: date,
    minrows: int,
    spins: Path,
    listeners: Path,
    dataset_out: StoragePath,
    analysis_out: StoragePath,
    report_timezone: str,
    memory_mb: int,
    temp: Path,
    check_permit: Callable[[], None] = lambda: None,
    analysis_mark: str = SUCCESS,
) -> dict[str, Any]:
    """
    Write both outputs of a day; their folders are removed first.

    Args:
        day: day of the spins; it does not filter them.
        minrows: minimum number of rows of the dataset, 0 or more.
        spins: Parquet file, one row per play.
        listeners: Parquet file, one row per listener.
        dataset_out: folder of the dataset.
        analysis_out: folder of the counts.
        report_timezone: time zone of the day and of all times in the dataset.
        memory_mb: memory of DuckDB, in MB.
        temp: folder for what does not fit into memory.
        check_permit: called before anything is removed or declared complete; raises if the job may not write.
        analysis_mark: name of the file that marks the counts, and so the day, as complete.

    Returns:
        The metrics of the job, see `JobMetrics`.

    Raises:
        NotParquetError: a source is not Parquet, or damaged.
        SchemaError: a source lacks a column or has one of another type.
        SourceError: DuckDB cannot use a value of a source.
        TooFewRowsError: there are fewer rows than *minrows*; nothing is written.
    """
    metrics = JobMetrics("duckdb", day, minrows, report_timezone)
    check_permit()
    for folder in (dataset_out, analysis_out):
        gzip_output.clear(folder)
    with metrics.step("check"):
        check_footer("spins", str(spins), spins, SPINS)
        check_footer("listeners", str(listeners), listeners, LISTENERS)
        with listeners.open("rb") as file:
            metrics.listeners_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    config: dict[str, Any] = {"memory_limit": f"{memory_mb}MB", "temp_directory": str(temp)}
    with closing(duckdb.connect(config=config | {"preserve_insertion_order": False})) as connection:
        with metrics.step("join"):
            connection.execute(MACROS)
            try:
                _join(connection, spins, listeners, metrics)
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error as error:  # perhaps a text that is not UTF-8, for which DuckDB rejects the whole file
                log.warning("The sources are copied, since DuckDB could not read them: %s", error)
                _join_copies(connection, spins, listeners, metrics, temp)
        validate(metrics.deduplicated, minrows)
        with metrics.step("dataset"):
            _write(connection, _DATASET_LINES, dataset_out, header(DATASET), check_permit)
        with metrics.step("analysis"):
            _write(connection, _ANALYSIS_LINES, analysis_out, header(ANALYSIS), check_permit, analysis_mark)
    return metrics.report()


def _join(connection: duckdb.DuckDBPyConnection, spins: Path, listeners: Path, metrics: JobMetrics) -> None:
    def first_row(query: str, **values: Any) -> tuple[Any, ...]:
        return connection.execute(query, values).fetchall()[0]

    first, last = (int(each.timestamp()) * 1_000_000 for each in bounds(metrics.day, metrics.report_timezone))
    connection.execute("SET TimeZone = $zone", {"zone": metrics.report_timezone})
    source = {"spins": str(spins), "long": LONG_SECONDS}
    first_row(_PLAYS, **source)
    first_row(_LISTENERS, listeners=str(listeners))
    connection.execute(_PAIRS)
    found = first_row(_SPIN_COUNTS, first=first, last=last - 1, **source)
    metrics.spins_read, metrics.rows_outside_day, metrics.after_time_filter = found
    [metrics.without_listener] = first_row(_WITHOUT_LISTENER)
    metrics.joined, metrics.deduplicated = first_row(_JOINED)
    [metrics.analysis_groups] = first_row(_COUNTS)


def _join_copies(
    connection: duckdb.DuckDBPyConnection, spins: Path, listeners: Path, metrics: JobMetrics, temp: Path
) -> None:
    """Join copies of the sources whose texts are all UTF-8."""
    temp.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=temp) as folder:
        copies = Path(folder, "spins"), Path(folder, "listeners")
        utf8.rewrite("spins", spins, copies[0], SPINS)
        utf8.rewrite("listeners", listeners, copies[1], LISTENERS)
        try:
            _join(connection, *copies, metrics)
        except (duckdb.DataError, duckdb.ProgrammingError) as error:  # not memory or disk, which another try may have
            raise SourceError(f"spins {spins} or listeners {listeners}: {error}") from error
        sources = {"spins": str(copies[0]), "listeners": str(copies[1]), "long": LONG_SECONDS}
        [metrics.rows_not_utf8] = connection.execute(_REPLACED, sources).fetchall()[0]


def _write(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    folder: StoragePath,
    first: bytes,
    check_permit: Callable[[], None] = lambda: None,
    mark: str = SUCCESS,
) -> None:
    lines = connection.sql(query).to_arrow_reader(BLOCK_ROWS)
    blocks = (text_of(batch.column(0)) for batch in lines if len(batch))
    gzip_output.write(folder, first, blocks, os.cpu_count() or 1, check_permit, mark)
