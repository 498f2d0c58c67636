"""Sources as files, and both engines behind one interface."""

import gzip
import zlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from include.songs.engines import duckdb_job, spark_job
from include.songs.layout import PART, SUCCESS
from include.songs.rules import REPORT_TIMEZONE
from include.songs.schemas import ANALYSIS, DATASET, LISTENERS, SPINS, header
from tests.support.songs.oracle import Lines, Play

DAY = date(2019, 2, 8)
TYPES = {"int": pa.int32(), "string": pa.string(), "timestamp": pa.timestamp("us", "UTC")}


def table(columns: dict[str, str], rows: list[Any]) -> pa.Table:
    """Build a table of rows whose values are in the order of *columns*."""
    return pa.table(
        {
            name: pa.array([row[number] for row in rows], TYPES[kind])
            for number, (name, kind) in enumerate(columns.items())
        }
    )


def write(found: pa.Table, path: Path, *, int96: bool = True) -> Path:
    """Write a source as the music service does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(found, path, use_deprecated_int96_timestamps=int96, store_schema=False)
    return path


PARTITIONS = "spark.sql.shuffle.partitions"
SETTINGS = {
    "spark.master": "local[2]",
    "spark.driver.memory": "1g",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # for what is short
    "spark.log.level": "OFF",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
SUBMIT_OPTIONS = [f"--conf={name}={value}" for name, value in SETTINGS.items()]


@dataclass
class Outcome:
    """Results of a job: its metrics, and the lines of both outputs without their headers."""

    metrics: dict[str, Any]
    dataset: list[str]
    counts: list[str]

    @property
    def lines(self) -> Lines:
        """The lines of both outputs; those of the dataset in the order of their bytes."""
        return sorted(self.dataset, key=str.encode), self.counts


def outcome(outputs: tuple[Path, Path], metrics: dict[str, Any]) -> Outcome:
    """Read the folders of dataset and counts."""
    return Outcome(metrics, lines_of(outputs[0], DATASET), lines_of(outputs[1], ANALYSIS))


def lines_of(folder: Path, columns: dict[str, str]) -> list[str]:
    """Check what is true of any output; return its lines without the header."""
    data = only_member((folder / PART).read_bytes())
    assert sorted(path.name for path in folder.iterdir()) == [SUCCESS, PART]
    assert (folder / SUCCESS).read_bytes() == b""
    assert data.startswith(header(columns))
    assert b"\0" not in data
    assert data.endswith(b"\n")
    lines = data.decode().removesuffix("\n").split("\n")
    assert {line.count("\t") for line in lines} == {len(columns) - 1}
    return lines[1:]


def only_member(packed: bytes) -> bytes:
    """Return what a reader finds that stops after the first gzip member; check that this is all."""
    reader = zlib.decompressobj(31)
    data = reader.decompress(packed)
    assert reader.eof
    assert reader.unused_data == b""
    assert data == gzip.decompress(packed)
    return data


@dataclass
class Engine:
    """A job in folders of its own."""

    name: str
    folder: Path
    spark: SparkSession | None

    @property
    def outputs(self) -> tuple[Path, Path]:
        """Folders of the dataset and of the counts."""
        return self.folder / "output/dataset", self.folder / "output/counts_by_zip_sub"

    def start(
        self, spins: Path, listeners: Path, minrows: int = 0, day: date = DAY, zone: str = REPORT_TIMEZONE
    ) -> dict[str, Any]:
        """Run the job."""
        if self.spark is None:
            temp = self.folder / "temp"
            return duckdb_job.run(day, minrows, spins, listeners, *self.outputs, zone, 1000, temp)
        outputs = map(str, self.outputs)
        return spark_job.run(
            self.spark, spark_job.Options(day, minrows, str(listeners), str(spins), *outputs, zone, None)
        )

    def run(self, spins: Path, listeners: Path, **options: Any) -> Outcome:
        """Run the job; return its results."""
        return outcome(self.outputs, self.start(spins, listeners, **options))

    def deliver(self, plays: list[Play], listeners: list[Any], **options: Any) -> Outcome:
        """Run the job on rows."""
        spins = write(table(SPINS, plays), self.folder / "spins.parquet")
        return self.run(spins, write(table(LISTENERS, listeners), self.folder / "listeners.parquet"), **options)
