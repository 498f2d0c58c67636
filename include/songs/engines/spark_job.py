"""The job on Spark: `spark-submit include/songs/engines/spark_job.py --day 2019-02-08 …`; `--help` names the options.

It ends with 0, with 2 when an option is wrong, with 3 when the data are; then another try would end in the same way.
"""

import argparse
import json
import logging
import sys
import uuid
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

if not __package__:  # run as a script: what Python finds first is this folder, not the repository
    sys.path[:1] = map(str, Path(__file__).resolve().parents[3:4])

from py4j.protocol import Py4JJavaError
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from include.core.errors import BadDataError
from include.songs.engines import spark_plays
from include.songs.engines.hadoop import Hadoop
from include.songs.engines.metrics import JobMetrics
from include.songs.layout import parse_day
from include.songs.rules import LONG_SECONDS, MINROWS, REPORT_TIMEZONE, bounds, validate
from include.songs.schemas import LISTENERS, SPINS, NotParquetError, SchemaError, check, header

log = logging.getLogger(__name__)

WRONG_OPTION, BAD_DATA = 2, 3  # the first is that of `argparse`
"""Exit codes."""
GZIP_LEVEL = "FOUR"
"""As Hadoop names it; the same as that of DuckDB."""
BROADCAST_BYTES = 1 << 20
"""Up to which size, as written by a shuffle, listeners are sent to all tasks; in memory they take ten times as much."""
SHUFFLE_BYTES = 4 << 20
"""Bytes of the spins file for each shuffle partition, unless their number is given."""


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


def parse(arguments: list[str] | None = None) -> Options:
    """Read the options; one that is wrong ends the program with a message and `WRONG_OPTION`."""
    parser = argparse.ArgumentParser(
        prog="spark_job.py", description="Make the dataset and the counts of a day of song plays.", allow_abbrev=False
    )
    parser.add_argument("--day", required=True, type=_day, help="day that the spins are of, YYYY-MM-DD")
    parser.add_argument("--minrows", default=MINROWS, type=_count, help="least rows of the dataset (%(default)s)")
    for name, what in (("listeners", "listeners"), ("spins", "the day's spins")):
        parser.add_argument(f"--{name}_path", required=True, type=_path, help=f"Parquet file of {what}")
    for name, what in (("dataset", "dataset"), ("analysis", "counts by zip code and subscription type")):
        parser.add_argument(
            f"--{name}_out_path", required=True, type=_path, help=f"folder of the {what}; it is removed first"
        )
    parser.add_argument(
        "--report_timezone", default=REPORT_TIMEZONE, type=_zone, help="zone of day and times (%(default)s)"
    )
    parser.add_argument("--metrics_path", type=_path, help="file for the figures, as JSON; they are logged in any case")
    options = Options(**vars(parser.parse_args(arguments)))
    outputs = [options.dataset_out_path, options.analysis_out_path]
    kept = [each for each in (options.spins_path, options.listeners_path, options.metrics_path) if each]
    for output, others in zip(outputs, ([outputs[1], *kept], [outputs[0], *kept]), strict=True):
        if any(_plain(output) in (_plain(other), *_plain(other).parents) for other in others):
            parser.error(f"{output} is removed first: no other path may be in it")
    return options


def _day(text: str) -> date:
    try:
        return parse_day(text)
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
    """Give a path so that it can be compared, however it is written."""
    return Path(path) if "://" in path.removeprefix("file://") else Path(path.removeprefix("file:")).absolute()


def run(spark: SparkSession, options: Options) -> dict[str, Any]:
    """
    Make both outputs of a day; what was in their folders before is removed first.

    Returns:
        The figures of `JobMetrics`.

    Raises:
        NotParquetError: a source is not Parquet.
        SchemaError: a source lacks a column or has one of another type.
        TooFewRowsError: there are too few rows; nothing is written.
        SupersededError: the listeners are not there (any more).
    """
    metrics = JobMetrics("spark", options.day, options.minrows, options.report_timezone)
    hadoop = Hadoop(spark)
    hadoop.ask(options.listeners_path)
    for folder in (options.dataset_out_path, options.analysis_out_path):
        hadoop.remove(folder)
    with metrics.step("check"):
        spins = _read(spark, "spins", options.spins_path, SPINS)
        listeners = _read(spark, "listeners", options.listeners_path, LISTENERS)
        metrics.listeners_sha256 = hadoop.sha256(options.listeners_path)
    _configure(spark, options.report_timezone, hadoop.size(options.spins_path))
    with _kept(spark_plays.find_listeners(spins, listeners)) as pairs:
        with metrics.step("join"):
            metrics.take(_measure(spins, options) | _measure_pairs(pairs))
        validate(metrics.deduplicated, options.minrows)
        rows = spark_plays.dataset(pairs)
        with metrics.step("dataset"):
            _write(hadoop, rows, options.dataset_out_path, options.listeners_path)
        with metrics.step("analysis"), _kept(spark_plays.count_plays(rows)) as counts:
            metrics.analysis_groups = counts.count()
            _write(hadoop, counts, options.analysis_out_path, options.listeners_path)
    return metrics.report()


def _read(spark: SparkSession, source: str, path: str, columns: dict[str, str]) -> DataFrame:
    try:
        frame = spark.read.parquet(path)
    except (PySparkException, Py4JJavaError) as error:
        if "CANNOT_READ_FILE_FOOTER" in str(error):
            raise NotParquetError(f"{source} {path}: a Parquet file was expected, found something else") from None
        if "PARQUET_TYPE_ILLEGAL" in str(error):  # Spark cannot name it
            raise SchemaError(f"{source} {path}: {str(error).splitlines()[0]}") from None
        raise
    check(f"{source} {path}", dict(frame.dtypes), columns)
    return frame.select(*columns)


def _configure(spark: SparkSession, zone: str, spins_bytes: int) -> None:
    """Set what the outputs depend on, and how many partitions are shuffled unless somebody has said so."""
    given = "spark.sql.shuffle.partitions" in spark.conf.getAll
    settings = {
        "spark.sql.session.timeZone": zone,
        "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",  # else instants before 1900 depend on the machine
        "spark.sql.optimizer.canChangeCachedPlanOutputPartitioning": "true",
        # More listeners than fit easily beside all else are sorted: a broadcast cannot be spilled, and dies.
        "spark.sql.autoBroadcastJoinThreshold": BROADCAST_BYTES,
    }
    for name, value in settings.items():
        spark.conf.set(name, value)
    if not given:
        spark.conf.set("spark.sql.shuffle.partitions", spins_bytes // SHUFFLE_BYTES + 1)


@contextmanager
def _kept(frame: DataFrame) -> Iterator[DataFrame]:
    """Have a frame evaluated only once, however often it is used."""
    frame.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield frame
    finally:
        frame.unpersist()


def _measure(spins: DataFrame, options: Options) -> dict[str, int]:
    """Count the spins. It reads two of their columns once more: observing them on their way may count some twice."""
    first, end = bounds(options.day, options.report_timezone)
    time = F.col("date_time")
    [found] = spins.agg(
        F.count(F.lit(1)).alias("spins_read"),
        F.count_if((time < first) | (time >= end)).alias("rows_outside_day"),
        F.count_if(F.col("elapsed_seconds") > LONG_SECONDS).alias("after_time_filter"),
    ).collect()
    return found.asDict()


def _measure_pairs(pairs: DataFrame) -> dict[str, int]:
    spins, twins = F.col("plays"), F.col("twins")
    [found] = pairs.agg(
        F.count(twins).alias("deduplicated"),
        F.coalesce(F.sum(spins * twins), F.lit(0)).alias("joined"),
        F.coalesce(F.sum(F.when(twins.isNull(), spins)), F.lit(0)).alias("without_listener"),
    ).collect()
    return found.asDict()


def _write(hadoop: Hadoop, rows: DataFrame, folder: str, permit: str) -> None:
    """Have the parts written aside by many, apart from those of any other job; then join them."""
    aside = f"{folder}/_aside-{uuid.uuid4().hex}"
    spark_plays.lines(rows).write.option("zlib.compress.level", GZIP_LEVEL).text(aside, compression="gzip")
    hadoop.join(folder, aside, header(rows.columns), permit)


def main(arguments: list[str] | None = None) -> int:
    """Run the job with the options of a command line; give the exit code."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("py4j").setLevel(logging.WARNING)
    spark = SparkSession.builder.appName(f"song plays {options.day}").getOrCreate()
    try:
        code, report = 0, run(spark, options)
    except BadDataError as error:
        log.error("%s", error)
        code, report = BAD_DATA, {"error": str(error)}
    try:
        if options.metrics_path:
            Hadoop(spark).write(options.metrics_path, json.dumps(report).encode())
    finally:
        spark.stop()
    return code


if __name__ == "__main__":
    sys.exit(main())
