"""
The job on Spark: `spark-submit include/songs/engines/spark_job.py --day 2019-02-08 …`; `--help` lists the options.

Exit codes: 0; 2 if an option is wrong; 3 if the data are wrong, so that a retry would fail in the same way.
"""

import argparse
import json
import logging
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

if not __package__:  # run as a script: replace this folder, where Python looks first, by the repository
    sys.path[:1] = map(str, Path(__file__).resolve().parents[3:4])

from py4j.protocol import Py4JJavaError
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from include.core.errors import BadDataError
from include.songs import layout
from include.songs.engines import spark_deflate, spark_plays
from include.songs.engines.hadoop import Hadoop
from include.songs.engines.metrics import JobMetrics
from include.songs.engines.parquet import check_footer
from include.songs.rules import LONG_SECONDS, MINROWS, REPORT_TIMEZONE, bounds, validate
from include.songs.schemas import DAMAGED, LISTENERS, SPINS, NotParquetError, SourceError, SourceName, header

log = logging.getLogger(__name__)

WRONG_OPTION, BAD_DATA = 2, 3  # `argparse` exits with the first
"""Exit codes."""
BROADCAST_BYTES = 1 << 20
"""Largest size, as written by a shuffle, of listeners that are broadcast; in memory they take ten times as much."""
SHUFFLE_BYTES = 4 << 20
"""Bytes of the spins file per shuffle partition, unless the number of partitions is set."""


@dataclass(frozen=True)
class Options:
    """Options of the command line; paths are as Hadoop writes them."""

    day: date
    minrows: int
    listeners_path: str
    spins_path: str
    dataset_out_path: str
    analysis_out_path: str
    report_timezone: str
    metrics_path: str | None
    analysis_mark: str = layout.SUCCESS


def parse(arguments: list[str] | None = None) -> Options:
    """Read the options; a wrong one ends the program with a message and `WRONG_OPTION`."""
    parser = argparse.ArgumentParser(
        prog="spark_job.py", description="Write the dataset and the counts of a day of song plays.", allow_abbrev=False
    )
    parser.add_argument("--day", required=True, type=_day, help="day of the spins, YYYY-MM-DD")
    parser.add_argument("--minrows", default=MINROWS, type=_count, help="minimum rows of the dataset (%(default)s)")
    for name, what in (("listeners", "listeners"), ("spins", "the day's spins")):
        parser.add_argument(f"--{name}_path", required=True, type=_path, help=f"Parquet file of {what}")
    for name, what in (("dataset", "dataset"), ("analysis", "counts by zip code and subscription type")):
        parser.add_argument(
            f"--{name}_out_path", required=True, type=_path, help=f"folder of the {what}; it is removed first"
        )
    parser.add_argument(
        "--report_timezone", default=REPORT_TIMEZONE, type=_zone, help="time zone of the day and of times (%(default)s)"
    )
    parser.add_argument("--metrics_path", type=_path, help="file for the metrics, as JSON; they are always logged")
    parser.add_argument(
        "--analysis_mark",
        default=layout.SUCCESS,
        choices=[layout.SUCCESS, layout.UNCHECKED],
        help="file that marks the counts as complete (%(default)s)",
    )
    options = Options(**vars(parser.parse_args(arguments)))
    outputs = [options.dataset_out_path, options.analysis_out_path]
    kept = [each for each in (options.spins_path, options.listeners_path, options.metrics_path) if each]
    for output, others in zip(outputs, ([outputs[1], *kept], [outputs[0], *kept]), strict=True):
        if any(_plain(output) in (_plain(other), *_plain(other).parents) for other in others):
            parser.error(f"{output} is removed first: it must not contain another path")
    return options


def _day(text: str) -> date:
    try:
        return layout.parse_day(text)
    except BadDataError as error:
        raise ArgumentTypeError(str(error)) from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ArgumentTypeError(f"a whole number, 0 or more, was expected, found {text!r}")
    return int(text)


def _path(text: str) -> str:
    if not text.strip("/"):
        raise ArgumentTypeError(f"a path was expected, found {text!r}")
    return text.rstrip("/")


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except Exception as error:  # what ZoneInfo raises depends on the name
        raise ArgumentTypeError(f"a time zone such as {REPORT_TIMEZONE} was expected, found {text!r}") from error


def _plain(path: str) -> Path:
    """Return a path in a form that can be compared."""
    return Path(path) if "://" in path.removeprefix("file://") else Path(path.removeprefix("file:")).absolute()


def run(spark: SparkSession, options: Options) -> dict[str, Any]:
    """
    Write both outputs of a day; their folders are removed first.

    Returns:
        The metrics of the job, see `JobMetrics`.

    Raises:
        NotParquetError: a source is not Parquet, or damaged.
        SchemaError: a source lacks a column or has one of another type.
        TooFewRowsError: there are too few rows; nothing is written.
        SupersededError: the listeners are gone.
    """
    metrics = JobMetrics("spark", options.day, options.minrows, options.report_timezone)
    hadoop = Hadoop(spark)
    hadoop.check_permit(options.listeners_path)
    for folder in (options.dataset_out_path, options.analysis_out_path):
        hadoop.remove(folder)
    with metrics.step("check"):
        spins = _read(spark, hadoop, "spins", options.spins_path, SPINS)
        listeners = _read(spark, hadoop, "listeners", options.listeners_path, LISTENERS)
        metrics.listeners_sha256 = hadoop.sha256(options.listeners_path)
    _configure(spark, options.report_timezone, hadoop.size(options.spins_path))
    plays, people = map(spark_plays.valid_texts, (spins, listeners))
    with _persisted(spark_plays.find_listeners(plays, people)) as pairs:
        with metrics.step("join"), _told_damage(options):
            metrics.update(_measure(spins, options) | _measure_pairs(pairs))
            metrics.rows_not_utf8 += listeners.where(spark_plays.has_wrong_texts(listeners)).count()
        validate(metrics.deduplicated, options.minrows)
        rows = spark_plays.dataset(pairs)
        with metrics.step("dataset"):
            _write(hadoop, rows, options.dataset_out_path, options.listeners_path)
        with metrics.step("analysis"), _persisted(spark_plays.count_plays(rows)) as counts:
            metrics.analysis_groups = counts.count()
            _write(hadoop, counts, options.analysis_out_path, options.listeners_path, options.analysis_mark)
    return metrics.report()


def _read(spark: SparkSession, hadoop: Hadoop, source: SourceName, path: str, columns: dict[str, str]) -> DataFrame:
    check_footer(source, path, BytesIO(hadoop.footer(path)), columns)
    folder = path.rpartition("/")[0] or "/"  # otherwise Spark takes a folder such as `age=5` for a column
    return spark.read.option("basePath", folder).parquet(path).select(*columns)


@contextmanager
def _told_damage(options: Options) -> Iterator[None]:
    """Raise `NotParquetError` if Spark cannot read the content of a source."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        if any(each in str(error) for each in ("FAILED_READ_FILE.NO_HINT", "FAILED_READ_FILE.UNSUPPORTED")):
            sources: tuple[tuple[SourceName, str], ...] = (
                ("spins", options.spins_path),
                ("listeners", options.listeners_path),
            )
            for source, path in sources:
                if path.rpartition("/")[2] in str(error):
                    raise NotParquetError(f"{source} {path}: {DAMAGED}", source) from error
        raise


def _configure(spark: SparkSession, zone: str, spins_bytes: int) -> None:
    """Set what the outputs depend on, and the number of shuffle partitions unless it is set."""
    given = "spark.sql.shuffle.partitions" in spark.conf.getAll
    settings = {
        "spark.sql.session.timeZone": zone,
        "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",  # otherwise instants before 1900 depend on the machine
        "spark.sql.optimizer.canChangeCachedPlanOutputPartitioning": "true",
        # A broadcast cannot be spilled and fails without memory, so a larger table of listeners is sorted instead.
        "spark.sql.autoBroadcastJoinThreshold": BROADCAST_BYTES,
    }
    for name, value in settings.items():
        spark.conf.set(name, value)
    if not given:
        spark.conf.set("spark.sql.shuffle.partitions", spins_bytes // SHUFFLE_BYTES + 1)


@contextmanager
def _persisted(frame: DataFrame) -> Iterator[DataFrame]:
    """Keep a frame during the block, so that it is evaluated once, however often it is used."""
    frame.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield frame
    finally:
        frame.unpersist()


def _measure(spins: DataFrame, options: Options) -> dict[str, int]:
    """Count the spins by reading some of their columns again: `observe` may count rows of a retried task twice."""
    first, end = bounds(options.day, options.report_timezone)
    time, long = F.col("date_time"), F.col("elapsed_seconds") > LONG_SECONDS
    [found] = spins.agg(
        F.count(F.lit(1)).alias("spins_read"),
        F.count_if((time < first) | (time >= end)).alias("rows_outside_day"),
        F.count_if(long).alias("after_time_filter"),
        F.count_if(long & spark_plays.has_wrong_texts(spins)).alias("rows_not_utf8"),
    ).collect()
    return found.asDict()


def _measure_pairs(pairs: DataFrame) -> dict[str, int]:
    plays, listeners = F.col("play_copies"), F.col("listener_copies")
    [found] = pairs.agg(
        F.count(listeners).alias("deduplicated"),
        F.coalesce(F.sum(plays * listeners), F.lit(0)).alias("joined"),
        F.coalesce(F.sum(F.when(listeners.isNull(), plays)), F.lit(0)).alias("without_listener"),
    ).collect()
    return found.asDict()


def _write(hadoop: Hadoop, rows: DataFrame, folder: str, permit: str, mark: str = layout.SUCCESS) -> None:
    """Write the parts in parallel, in a folder of this job's own, then join them."""
    parts = layout.spark_parts(folder)
    spark_deflate.write(spark_plays.lines(rows), parts)
    hadoop.join(folder, parts, header(rows.columns), permit, mark)


def main(arguments: list[str] | None = None) -> int:
    """Run the job with the options of a command line; return the exit code."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("py4j").setLevel(logging.WARNING)
    spark = SparkSession.builder.appName(f"song plays {options.day}").getOrCreate()
    try:
        code, report = 0, run(spark, options)
    except BadDataError as error:
        log.error("%s", error)
        code, report = BAD_DATA, {"error": str(error)}
        if isinstance(error, SourceError) and error.source:
            report["source"] = error.source
    try:
        if options.metrics_path:
            Hadoop(spark).write(options.metrics_path, json.dumps(report).encode())
    finally:
        spark.stop()
    return code


if __name__ == "__main__":
    sys.exit(main())
