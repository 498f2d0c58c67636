"""
Song plays: our jobs on Spark and on DuckDB, the job on Spark as it is usually written, reading and writing alone.

make bench, or: python benchmarks/songs.py [millions of spins] …

The default is 5 million spins; 50 million take half an hour. Needs Java 17, and the generator `make_song_plays.py` in
the folder `tools` beside the real data (`QUARTET_REAL_DATA`). Each measurement runs in its own process, on two cores
with 2 GB for Spark; the start of Spark is not measured.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

import psutil  # noqa: E402

from benchmarks.support.report import line, machine  # noqa: E402
from include.songs.layout import PART  # noqa: E402
from include.songs.schemas import DATASET, header  # noqa: E402

DATA = Path(os.environ.get("QUARTET_REAL_DATA") or ROOT.parent / "shared" / "data")
GENERATOR = DATA.parent / "tools" / "make_song_plays.py"
DAY, ZONE = date(2019, 2, 8), "America/New_York"
SPINS, LISTENERS = f"spins-{DAY}.snappy.parquet", "listeners.snappy.parquet"
LISTENERS_PER_MILLION = {5: 200_000, 50: 1_000_000}
SPARK_MEMORY, DUCKDB_MEGABYTES, CORES = "2g", 4000, 2
TARGETS = {5: "<= 0.60 x", 50: "<= 0.50 x"}


def generate(folder: Path, millions: int) -> None:
    """Write the sources of a day."""
    listeners = LISTENERS_PER_MILLION.get(millions, 20_000 * millions)
    size = ["--spins", str(millions * 1_000_000), "--listeners", str(listeners), "--seed", "7"]
    subprocess.run([sys.executable, str(GENERATOR), *size, "--out", str(folder)], check=True, stdout=subprocess.DEVNULL)


def session(folder: Path, **settings: str) -> Any:
    """Start Spark."""
    from pyspark.sql import SparkSession

    (folder / "spark").mkdir(exist_ok=True)
    builder = SparkSession.builder.master(f"local[{CORES}]").config("spark.driver.memory", SPARK_MEMORY)
    for name, value in {
        "spark.log.level": "ERROR",
        "spark.local.dir": str(folder / "spark"),
        "spark.ui.port": "0",
        "spark.ui.showConsoleProgress": "false",
        **settings,
    }.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def pages(spark: Any) -> dict[str, float]:
    """Read from Spark's web UI: rows out of joins, bytes spilled, bytes sent to the driver."""
    import httpx

    time.sleep(2)  # the UI lags behind
    context = spark.sparkContext
    with httpx.Client(base_url=f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}", timeout=60) as client:
        queries = client.get("/sql", params={"details": "true", "planDescription": "false", "length": 1000}).json()
        stages = client.get("/stages", params={"status": "complete"}).json()
    joins = [node for query in queries for node in query["nodes"] if "Join" in node["nodeName"]]
    rows = [
        metric["value"] for node in joins for metric in node["metrics"] if metric["name"] == "number of output rows"
    ]
    return {
        "joined": sum(int(value.replace(",", "")) for value in rows),
        "spilled": sum(stage["diskBytesSpilled"] for stage in stages),
        "to_driver": sum(stage["resultSize"] for stage in stages),
    }


def ours(folder: Path) -> dict[str, Any]:
    """Our job on Spark."""
    from include.songs.engines import spark_job

    spark = session(folder)
    outputs = [str(folder / "ours" / name) for name in ("dataset", "counts")]
    began = time.monotonic()
    options = spark_job.Options(DAY, 100, str(folder / LISTENERS), str(folder / SPINS), *outputs, ZONE, None)
    metrics = spark_job.run(spark, options)
    return {"seconds": time.monotonic() - began, "metrics": metrics, **pages(spark)}


def usual(folder: Path) -> dict[str, Any]:
    """The job as it is usually written: nothing is cached, one shuffle partition, one task writes the file."""
    from pyspark.sql import functions as F

    spark = session(folder, **{"spark.sql.shuffle.partitions": "1", "spark.sql.session.timeZone": ZONE})
    began = time.monotonic()
    spins, listeners = (spark.read.parquet(str(folder / name)) for name in (SPINS, LISTENERS))
    rows = spins.where("elapsed_seconds > 30").join(listeners, "fake_listener_id").select(*DATASET).distinct()
    options = {"sep": "\t", "header": True, "compression": "gzip", "quote": "\0"}
    options |= {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "mode": "overwrite"}
    assert rows.count() >= 100
    rows.coalesce(1).write.csv(str(folder / "usual" / "dataset"), **options)
    key = ["fake_zipcode", "subscription_type"]
    counts = rows.groupBy(*key).agg(F.count("*").alias("spins")).orderBy(*key)
    counts.coalesce(1).write.csv(str(folder / "usual" / "counts"), **options)
    return {"seconds": time.monotonic() - began, **pages(spark)}


def duckdb(folder: Path) -> dict[str, Any]:
    """Our job on DuckDB."""
    from include.songs.engines import duckdb_job

    (folder / "duckdb").mkdir(exist_ok=True)
    outputs = folder / "duckdb" / "dataset", folder / "duckdb" / "counts"
    began = time.monotonic()
    metrics = duckdb_job.run(
        DAY, 100, folder / SPINS, folder / LISTENERS, *outputs, ZONE, DUCKDB_MEGABYTES, folder / "duckdb/temp"
    )
    return {"seconds": time.monotonic() - began, "metrics": metrics}


def floor(folder: Path) -> dict[str, Any]:
    """DuckDB reading the rows of the dataset and writing them to the same file, without join and deduplication."""
    import duckdb as library

    from include.songs.engines import duckdb_job, gzip_output

    connection = library.connect(config={"memory_limit": f"{DUCKDB_MEGABYTES}MB", "preserve_insertion_order": False})
    connection.execute(f"SET temp_directory = '{folder}/floor_temp'; SET TimeZone = '{ZONE}'")
    connection.execute(duckdb_job._MACROS)
    rows = folder / "rows.parquet"
    source = {"spins": str(folder / SPINS), "long": 30}
    connection.execute(duckdb_job._PLAYS, source)
    connection.execute(duckdb_job._LISTENERS, {"listeners": str(folder / LISTENERS)})
    connection.execute(duckdb_job._PAIRS)
    connection.execute(f"COPY pairs TO '{rows}' (FORMAT parquet, COMPRESSION snappy)")
    connection.execute("DROP VIEW pairs; DROP TABLE plays; DROP TABLE listeners")
    gzip_output.clear(folder / "floor")
    began = time.monotonic()
    connection.execute(f"CREATE TEMP VIEW pairs AS SELECT * FROM read_parquet('{rows}')")
    duckdb_job._write(connection, duckdb_job._DATASET_LINES, folder / "floor", header(DATASET))
    return {"seconds": time.monotonic() - began}


MEASURES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "ours": ours, "usual": usual, "duckdb": duckdb, "floor": floor,
}  # fmt: skip


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Run a measurement in its own process; add its peak memory."""
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable}
    report = folder / f"{name}.json"
    command = [sys.executable, __file__, "--measure", name, str(folder)]
    process = psutil.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            sizes = []
            for each in [process, *process.children(recursive=True)]:
                try:
                    sizes.append(each.memory_info().rss)
                except psutil.Error:
                    continue
            peak = max(peak, sum(sizes))
            time.sleep(0.2)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    if process.wait():
        raise RuntimeError(f"{name} failed: {' '.join(command)}")
    return json.loads(report.read_text()) | {"megabytes": peak / 2**20}


def digest(path: Path) -> tuple[Any, ...]:
    """Return the number of lines of an output, and a checksum that does not depend on their order."""
    import duckdb as library

    columns = "columns = {'line': 'varchar'}, delim = chr(1), quote = '', escape = '', header = true"
    query = f"SELECT count(*), sum(hash(line)::hugeint) FROM read_csv('{path}', {columns})"
    return library.execute(query).fetchall()[0]


def compare(folder: Path, millions: int) -> float:
    """Run all measurements at one size; return the seconds of our job on Spark."""
    found = {name: measure(name, folder) for name in MEASURES}
    seconds = {name: each["seconds"] for name, each in found.items()}
    what = f"{millions} M spins"
    steps = ", ".join(f"{name} {value:.1f} s" for name, value in found["ours"]["metrics"]["seconds"].items())
    line(f"{what}: our job on Spark", f"{seconds['ours']:.1f} s")
    print(f"  {steps}")
    line(f"{what}: the usual job on Spark", f"{seconds['usual']:.1f} s")
    line(f"{what}: our job on DuckDB", f"{seconds['duckdb']:.1f} s")
    line(f"{what}: DuckDB reading and writing alone, the floor", f"{seconds['floor']:.1f} s")
    line(
        f"{what}: Spark, ours against the usual",
        f"{seconds['ours'] / seconds['usual']:.2f} x",
        TARGETS.get(millions, ""),
    )
    line(f"{what}: DuckDB against the floor", f"{seconds['duckdb'] / seconds['floor']:.2f} x", "<= 2 x")
    rows = found["ours"]["metrics"]["deduplicated"]
    for name in ("ours", "usual"):
        rest = found[name]
        line(f"{what}: {name}, rows out of joins per row of the dataset", f"{rest['joined'] / rows:.2f}", "")
        line(f"{what}: {name}, spilled to disk", f"{rest['spilled'] / 2**20:,.0f} MB")
        line(f"{what}: {name}, results sent to the driver", f"{rest['to_driver'] / 2**20:.1f} MB")
    for name in ("ours", "duckdb"):
        size = (folder / name / "dataset" / PART).stat().st_size
        line(f"{what}: {name}, dataset and peak memory", f"{size / 1e6:,.0f} MB, {found[name]['megabytes']:,.0f} MB")
    same = len({digest(folder / name / "dataset" / PART) for name in ("ours", "duckdb")}) == 1
    line(f"{what}: Spark and DuckDB write the same {rows:,} rows", str(same), "True")
    return seconds["ours"]


def main() -> int:
    """Measure the given sizes, smallest first."""
    if sys.argv[1:2] == ["--measure"]:
        name, folder = sys.argv[2], Path(sys.argv[3])
        (folder / f"{name}.json").write_text(json.dumps(MEASURES[name](folder)))
        return 0
    machine()
    if not GENERATOR.exists():
        print(f"{GENERATOR} does not exist: song plays are skipped")
        return 0
    times = {}
    for millions in sorted({int(each) for each in sys.argv[1:]} or {5}):
        with tempfile.TemporaryDirectory(prefix="qbench-") as name:
            generate(Path(name), millions)
            times[millions] = compare(Path(name), millions)
    if len(times) > 1:
        small, large = min(times), max(times)
        growth = times[large] / times[small]
        line(f"our job on Spark, {large} M against {small} M", f"{growth:.1f} x", f"<= {1.1 * large / small:.0f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
