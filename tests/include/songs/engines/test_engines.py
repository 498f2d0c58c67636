"""Both engines: the same rows, metrics and files for any sources; nothing incomplete that looks complete."""

import gzip
import hashlib
import os
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from py4j.protocol import Py4JJavaError
from pyarrow import csv
from pyspark.sql import SparkSession

from include.core.errors import BadDataError
from include.songs.engines import duckdb_job, spark_job
from include.songs.layout import PART, SUCCESS
from include.songs.rules import SupersededError, TooFewRowsError
from include.songs.schemas import DATASET, KEY, LISTENERS, SPINS, NotParquetError, SchemaError
from tests.support.songs import example, oracle
from tests.support.songs.example import at
from tests.support.songs.jobs import DAY, PARTITIONS, SUBMIT_OPTIONS, Engine, table, write
from tests.support.songs.real_day import COUNTS_DIGEST, DATASET_DIGESTS, REAL_FILES, digest

real_data = pytest.mark.real_data
PLAY: oracle.Play = (1, "A", 2, "T", at("2019-02-08 12:00:00"), 60, "Album", 1)
LISTENER: oracle.Listener = (1, "18-25", "F", "Plus", "US", 10001)


def play(**values: Any) -> oracle.Play:
    """Return `PLAY` with some values replaced."""
    return tuple((dict(zip(SPINS, PLAY, strict=True)) | values).values())  # type: ignore[return-value]


def listener(**values: Any) -> oracle.Listener:
    """Return `LISTENER` with some values replaced."""
    return tuple((dict(zip(LISTENERS, LISTENER, strict=True)) | values).values())  # type: ignore[return-value]


def row_counts(metrics: dict[str, Any]) -> dict[str, int]:
    """Return the metrics that depend on the rows only."""
    return {name: metrics[name] for name in example.METRICS}


def test_the_worked_example(engine, caplog):
    caplog.set_level("INFO")
    found = engine.deliver(example.PLAYS, example.LISTENERS, minrows=6)
    assert found.lines == (example.DATASET, example.COUNTS)
    assert row_counts(found.metrics) == example.METRICS
    assert (
        found.metrics["listeners_sha256"]
        == hashlib.sha256((engine.folder / "listeners.parquet").read_bytes()).hexdigest()
    )
    assert {name: found.metrics[name] for name in ("engine", "day", "minrows", "report_timezone")} == {
        "engine": engine.name, "day": "2019-02-08", "minrows": 6, "report_timezone": "America/New_York",
    }  # fmt: skip
    assert set(found.metrics["seconds"]) == {"check", "join", "dataset", "analysis"}
    assert '"deduplicated": 6' in caplog.text
    with pytest.raises(TooFewRowsError, match="job failed validation: number of rows 6 < 100"):
        engine.deliver(example.PLAYS, example.LISTENERS, minrows=100)
    assert not any(folder.exists() for folder in engine.outputs)


def test_the_oracle_knows_the_worked_example():
    assert oracle.deliver(example.PLAYS, example.LISTENERS, DAY, "America/New_York") == (
        example.METRICS, (example.DATASET, example.COUNTS),
    )  # fmt: skip


@real_data
@pytest.mark.parametrize("zone", DATASET_DIGESTS)
def test_the_real_day(engine, zone):
    found = engine.run(*REAL_FILES, minrows=4648, zone=zone)
    assert digest(found.dataset) == DATASET_DIGESTS[zone]
    assert digest(found.counts) == COUNTS_DIGEST
    assert hashlib.sha256("".join(f"{line}\n" for line in found.counts).encode()).hexdigest() == COUNTS_DIGEST
    outside = found.metrics.pop("rows_outside_day")
    assert (outside > 0) == (zone == "UTC")  # the day ends at five o'clock there
    assert row_counts(found.metrics | {"rows_outside_day": 0}) == {
        "spins_read": 5174,
        "rows_outside_day": 0,
        "after_time_filter": 4648,
        "without_listener": 0,
        "joined": 4648,
        "deduplicated": 4648,
        "analysis_groups": 100,
    }


@real_data
def test_what_the_real_day_holds(tmp_path):
    found = Engine("duckdb", tmp_path, None).run(*REAL_FILES)
    rows = [line.split("\t") for line in found.dataset]

    def by(number: int) -> dict[str, int]:
        return dict(Counter(row[number] for row in rows))

    assert by(10) == {"Ad-supported": 1251, "Family": 880, "Plus": 1323, "Premium": 1194}
    assert by(8) == {"18-25": 1184, "26-40": 947, "40-55": 1010, "65+": 1507}
    assert by(9) == {"F": 1639, "M": 1539, "Unknown": 1470}
    assert by(7) == {
        "Album": 545, "All Artist Tracks": 589, "Autoplay": 560, "Collections": 536, "Playlist": 605, "Station": 602,
        "Thumbed Down Track": 595, "Thumbed Up Track": 616,
    }  # fmt: skip
    for row in [
        "53|245237|2 Chainz|895745|Bff|2019-02-08T06:05:56.000-05:00|250|Autoplay|65+|Unknown|Plus|US|95101",
        "60|27915|Animosity|523051|Terror Storm|2019-02-08T00:51:37.000-05:00|228|Playlist|40-55|M|Premium|US|92794",
        '14|302100|ApologetiX|280747|Didn\'t Just Die (Parody of "Live and Let Die")'
        "|2019-02-08T01:32:16.000-05:00|77|Thumbed Down Track|65+|Unknown|Family|US|42126",
    ]:
        assert row.replace("|", "\t") in found.dataset
    assert found.counts[:2] == ["10138\tPremium\t48", "11489\tFamily\t44"]
    assert found.counts[-1] == "99803\tAd-supported\t44"
    assert sorted(int(line.split("\t")[2]) for line in found.counts)[::99] == [33, 62]


@real_data
@pytest.mark.parametrize("partitions", [1, 7, 200])
def test_spark_gives_the_same_with_any_number_of_partitions(spark, tmp_path, partitions):
    before = spark.conf.get(PARTITIONS)
    spark.conf.set(PARTITIONS, partitions)
    try:
        found = Engine("spark", tmp_path, spark).run(*REAL_FILES)
    finally:
        spark.conf.set(PARTITIONS, before)
    assert digest(found.dataset) == DATASET_DIGESTS["America/New_York"]
    assert hashlib.sha256("".join(f"{line}\n" for line in found.counts).encode()).hexdigest() == COUNTS_DIGEST


def test_texts_and_missing_values(engine):
    """Each row is one line with the same number of fields; rows are compared before characters are replaced."""
    titles = ["a\tb", "a b", "a\r\nb", "a\0b", " blanks ", "\\N \\ 'x' \"y", "", None, "東京\u2028\x85", ",;|"]
    plays = [play(track_title=title) for title in titles]
    plays += [play(**{name: None}) for name in SPINS if name not in ("elapsed_seconds", KEY)]
    plays += [tuple(None if name not in ("elapsed_seconds", KEY) else 50 for name in SPINS)]
    plays += [(None,) * len(SPINS)]
    listeners = [listener(age="\t\n"), listener(age="  "), listener(age=""), listener(age=None)]
    listeners += [(50, None, None, None, None, None), (None, "18-25", "F", "Plus", "US", 1)]
    found = engine.deliver(plays, listeners)
    expected = oracle.deliver(plays, listeners, DAY, "America/New_York")
    assert (row_counts(found.metrics), found.lines) == expected
    assert "\t".join(["50", "", "", "", "", "", "50", *[""] * 6]) in found.dataset
    assert found.counts[0] == "\t\t1"


def test_an_empty_day(engine):
    found = engine.deliver([], [])
    assert (found.dataset, found.counts) == ([], [])
    assert set(row_counts(found.metrics).values()) == {0}
    with pytest.raises(TooFewRowsError, match="number of rows 0 < 1"):
        engine.deliver([], [LISTENER], minrows=1)


@pytest.mark.parametrize(
    ("zone", "day", "instants", "expected"),
    [
        (
            "America/New_York",
            date(2019, 3, 10),  # 23 hours long
            ["2019-03-10 04:59:59.999", "2019-03-10 05:00:00", "2019-03-10 07:00:00", "2019-03-11 04:00:00"],
            ["09T23:59:59.999-05:00", "10T00:00:00.000-05:00", "10T03:00:00.000-04:00", "11T00:00:00.000-04:00"],
        ),
        (
            "Asia/Kolkata",
            date(2019, 3, 10),
            ["2019-03-09 18:29:59", "2019-03-09 18:30:00.000999"],
            ["09T23:59:59.000+05:30", "10T00:00:00.000+05:30"],
        ),
    ],
)
def test_times_are_those_of_the_reporting_zone(engine, zone, day, instants, expected):
    found = engine.deliver([play(date_time=at(each)) for each in instants], [LISTENER], zone=zone, day=day)
    assert sorted(line.split("\t")[5] for line in found.dataset) == [f"2019-03-{each}" for each in expected]
    assert found.metrics["rows_outside_day"] == sum(1 for each in expected if not each.startswith("10T"))


def test_a_rerun_replaces_what_was_there_and_touches_nothing_else(engine):
    for folder in engine.outputs:
        (folder / "_temporary/0").mkdir(parents=True)
        (folder / "part-00000-old.csv.gz").write_bytes(b"old")
        (folder / f".{PART}.crc").write_bytes(b"old")
        (folder / SUCCESS).write_bytes(b"")
    neighbour = engine.outputs[0].parent / "dataset2"
    neighbour.mkdir()
    (neighbour / SUCCESS).write_bytes(b"")
    for _ in range(2):
        assert engine.deliver(example.PLAYS, example.LISTENERS).lines == (example.DATASET, example.COUNTS)
    assert (neighbour / SUCCESS).exists()
    assert {path.name for path in neighbour.parent.iterdir()} == {*(each.name for each in engine.outputs), "dataset2"}


GOOD = table(SPINS, [PLAY])
CAST = {
    "elapsed_seconds": (pa.int64(), "int was expected, found bigint"),
    "track_title": (pa.binary(), "string was expected, found binary"),
    "date_time": (pa.timestamp("us"), "a timestamp with a time zone was expected, found one without a time zone"),
}


def broken() -> dict[str, tuple[bytes | pa.Table, type[BadDataError], str]]:
    """Return name → wrong spins, the error, its message."""
    found: dict[str, tuple[bytes | pa.Table, type[BadDataError], str]] = {
        "text": (b"no Parquet, but more than a few bytes of text", NotParquetError, "Parquet file"),
        "empty": (b"", NotParquetError, "Parquet file"),
        "no column": (
            GOOD.drop_columns(["artist_name", "play_source"]),
            SchemaError,
            "column artist_name: string was expected, found no such column; column play_source: string",
        ),
    }
    for name, (kind, message) in CAST.items():
        number = GOOD.column_names.index(name)
        column = GOOD[name].cast(kind)
        found[name] = GOOD.set_column(number, name, column), SchemaError, f"spins .*: column {name}: {message}"
    return found


@pytest.mark.parametrize("name", broken())
def test_wrong_sources_are_told_apart(engine, name):
    spins, error, message = broken()[name]
    path = engine.folder / "spins.parquet"
    if isinstance(spins, bytes):
        path.write_bytes(spins)
    else:
        write(spins, path, int96=name != "date_time")
    (engine.outputs[0]).mkdir(parents=True)
    with pytest.raises(error, match=message):
        engine.start(path, write(table(LISTENERS, [LISTENER]), engine.folder / "listeners.parquet"))
    assert not any(folder.exists() for folder in engine.outputs)


def test_order_of_columns_further_ones_and_the_coding_of_times_do_not_matter(engine):
    spins = table({"more": "int"} | dict(reversed(SPINS.items())), [(number, *PLAY[::-1]) for number in (1, 2)])
    listeners = table(dict(reversed(LISTENERS.items())), [LISTENER[::-1]])
    paths = write(spins, engine.folder / "a", int96=False), write(listeners, engine.folder / "b")
    [line] = engine.run(*paths).dataset
    assert "2019-02-08T07:00:00.000-05:00" in line


def as_arrow_writes(name: str, kind: str) -> pa.Table:
    """Return the listeners of the worked example with a column of another type in Arrow, and the same in Parquet."""
    found = table(LISTENERS, example.LISTENERS)
    column = found[name].combine_chunks()
    column = column.dictionary_encode() if kind == "dictionary" else column.cast(getattr(pa, kind)())
    return found.set_column(found.column_names.index(name), name, column)


@pytest.mark.parametrize("kind", ["dictionary", "string_view", "large_string"])
def test_what_a_writer_notes_of_its_own_types_does_not_matter(engine, kind):
    spins = write(table(SPINS, example.PLAYS), engine.folder / "spins.parquet")
    listeners = engine.folder / "listeners.parquet"
    pq.write_table(as_arrow_writes("gender", kind), listeners)
    assert engine.run(spins, listeners).lines == (example.DATASET, example.COUNTS)
    frame = pq.read_table(listeners).to_pandas().astype({"gender": "category", "country": "category"})
    frame.to_parquet(listeners)
    assert engine.run(spins, listeners).lines == (example.DATASET, example.COUNTS)


def test_folders_that_look_like_columns_are_not_read(engine):
    engine.folder /= "age=99/day=2019-02-08"
    engine.folder.mkdir(parents=True)
    assert engine.deliver(example.PLAYS, example.LISTENERS).lines == (example.DATASET, example.COUNTS)


def in_bytes(texts: list[bytes]) -> pa.Array:
    """Return texts as an array that says that they are UTF-8."""
    return pa.StringArray.from_buffers(len(texts), *pa.array(texts, pa.binary()).buffers()[1:])


NOT_UTF8 = [
    b"Beyonc\xe9", b"\xff\xfe", b"a\xe2\x82", b"\xed\xa0\x80x", b"\xf0\x9f\x8e", b"\xc0\xaf", b"\xf4\x90\x80\x80",
    b"\xe9a\tb",
]  # fmt: skip
"""Latin-1, UTF-16, cut characters, surrogates, overlong forms, beyond Unicode."""


@pytest.mark.parametrize("kind", [None, "dictionary"])
def test_texts_that_are_not_utf8_are_replaced_and_counted(engine, caplog, kind):
    good = [play(fake_track_id=number + 10) for number in range(len(NOT_UTF8))]
    plays = [*good, play(elapsed_seconds=1), play()]
    spins = table(SPINS, plays)
    names: Any = in_bytes([*NOT_UTF8, b"short \xe9", b"Beyonc\xc3\xa9"])
    names = names.dictionary_encode() if kind else names
    spins = spins.set_column(spins.column_names.index("artist_name"), "artist_name", names)
    people = table(LISTENERS, [LISTENER, listener(fake_listener_id=2)])
    people = people.set_column(people.column_names.index("country"), "country", in_bytes([b"S\xe3o", b"US"]))
    paths = write(spins, engine.folder / "spins"), engine.folder / "people"
    pq.write_table(people, paths[1])
    found = engine.run(*paths)
    expected = [name.decode("utf-8", "replace").replace("\t", " ") for name in [*NOT_UTF8, b"Beyonc\xc3\xa9"]]
    assert sorted(line.split("\t")[2] for line in found.dataset) == sorted(expected)
    assert {line.split("\t")[11] for line in found.dataset} == {"S\ufffdo"}
    assert found.metrics["rows_not_utf8"] == len(NOT_UTF8) + 1
    assert found.metrics["spins_read"] == len(plays)
    assert f"{len(NOT_UTF8) + 1} rows had texts that are not UTF-8" in caplog.text


def overwrite(path: Path, at: int, length: int) -> None:
    """Damage a file."""
    data = bytearray(path.read_bytes())
    data[at : at + length] = b"\xff" * length
    path.write_bytes(data)


@pytest.mark.parametrize("source", ["spins", "listeners"])
@pytest.mark.parametrize("where", ["footer", "length", "page"])
def test_a_file_with_right_ends_that_is_broken_inside(engine, source, where):
    engine.deliver(many(2000), [LISTENER])
    path = engine.folder / f"{source}.parquet"
    if where == "length":
        path.write_bytes(path.read_bytes()[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1")
        message = "a Parquet file was expected, found something else or a damaged footer"
    elif where == "footer":
        path.write_bytes(b"PAR1" + b"\xff" * 100 + (100).to_bytes(4, "little") + b"PAR1")
        message = "a Parquet file was expected, found something else or a damaged footer"
    else:
        overwrite(path, 4, 50)
        message = "the Parquet file is damaged: its content cannot be read"
    with pytest.raises(NotParquetError) as raised:
        engine.start(engine.folder / "spins.parquet", engine.folder / "listeners.parquet")
    assert str(raised.value) == f"{source} {path}: {message}"
    assert raised.value.source == source
    assert not any((folder / SUCCESS).exists() for folder in engine.outputs)


def unreadable(name: str) -> tuple[pa.Table, dict[str, Any], str]:
    """Return spins that one of the engines does not read, how they are written, and the message."""
    if name == "brotli":
        return GOOD, {"compression": name}, "column fake_artist_id: compression .*ZSTD was expected, found BROTLI"
    if name == "byte stream split":
        options = {"use_dictionary": False, "column_encoding": {"fake_track_id": "BYTE_STREAM_SPLIT"}}
        return GOOD, options, "column fake_track_id: encoding .*RLE_DICTIONARY was expected, found BYTE_STREAM_SPLIT"
    if name in ("play_source", "Play_Source"):
        return GOOD.append_column(name, GOOD["play_source"]), {}, "found twice: 'play_source'"
    if name == "nanoseconds":
        number, times = GOOD.column_names.index("date_time"), GOOD["date_time"].cast(pa.timestamp("ns", "UTC"))
        return (
            GOOD.set_column(number, "date_time", times),
            {},
            "a timestamp with a time zone was expected, found one in nanoseconds",
        )
    nested = GOOD.set_column(0, "fake_artist_id", pa.array([[1]]))
    return nested, {}, "column fake_artist_id: int was expected, found nested columns"


@pytest.mark.parametrize(
    "name", ["brotli", "byte stream split", "play_source", "Play_Source", "nanoseconds", "nested columns"]
)
def test_what_one_engine_does_not_read_is_refused_by_both(engine, name):
    spins, options, message = unreadable(name)
    path = engine.folder / "spins.parquet"
    pq.write_table(spins, path, **options)
    with pytest.raises(SchemaError, match=f"spins {path}: .*{message}"):
        engine.start(path, write(table(LISTENERS, [LISTENER]), engine.folder / "listeners.parquet"))


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4"])
def test_these_compressions_are_read(engine, codec):
    paths = engine.folder / "spins", engine.folder / "listeners"
    pq.write_table(table(SPINS, example.PLAYS), paths[0], compression=codec)
    pq.write_table(table(LISTENERS, example.LISTENERS), paths[1], compression=codec)
    assert engine.run(*paths).lines == (example.DATASET, example.COUNTS)


KILLED = {
    "duckdb": """
import os, signal
from datetime import date
from pathlib import Path
from include.songs.engines import duckdb_job, gzip_output
folder = Path(os.environ["FOLDER"])
outputs = folder / "output/dataset", folder / "output/counts_by_zip_sub"
sources = folder / "spins.parquet", folder / "listeners.parquet"
write = gzip_output.write
gzip_output.write = lambda out, *rest: os.kill(os.getpid(), signal.SIGKILL) if out == outputs[1] else write(out, *rest)
duckdb_job.run(date(2019, 2, 8), 0, *sources, *outputs, "UTC", 500, folder)
""",
    "spark": """
import os, signal
from include.songs.engines import spark_job
spark_job.spark_plays.count_plays = lambda rows: os.kill(os.getpid(), signal.SIGKILL)
paths = {"spins_path": "spins.parquet", "listeners_path": "listeners.parquet"}
paths |= {"dataset_out_path": "output/dataset", "analysis_out_path": "output/counts_by_zip_sub"}
options = [f"--{name}={os.environ['FOLDER']}/{path}" for name, path in paths.items()]
spark_job.main(["--day=2019-02-08", "--minrows=0", *options])
""",
}
"""Programs that run the job and are killed when the dataset is complete."""


def test_a_job_killed_between_its_outputs_is_done_again(engine):
    spins = write(table(SPINS, example.PLAYS), engine.folder / "spins.parquet")
    listeners = write(table(LISTENERS, example.LISTENERS), engine.folder / "listeners.parquet")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "FOLDER": str(engine.folder)}
    environment["PYSPARK_SUBMIT_ARGS"] = shlex.join([*SUBMIT_OPTIONS, "pyspark-shell"])
    line = [sys.executable, "-c", KILLED[engine.name]]
    found = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert found.returncode == -signal.SIGKILL, found.stderr
    assert [(folder / SUCCESS).exists() for folder in engine.outputs] == [True, False]
    assert engine.run(spins, listeners).lines == (example.DATASET, example.COUNTS)


@pytest.mark.parametrize(
    ("step", "complete"),
    [("begin", [True, True]), ("validate", [False, False]), ("count", [True, False]), ("complete", [True, False])],
)
def test_a_job_on_spark_whose_listeners_are_taken_away_completes_no_more(spark, tmp_path, monkeypatch, step, complete):
    """Its task was killed, and another job of the day has begun."""
    engine = Engine("spark", tmp_path, spark)
    engine.deliver(example.PLAYS, example.LISTENERS)
    spins, listeners, taken = (engine.folder / name for name in ("spins.parquet", "listeners.parquet", "taken"))
    check_permit, count_plays = spark_job.Hadoop.check_permit, spark_job.spark_plays.count_plays

    def take(*_: Any) -> None:
        listeners.rename(taken)

    def count_then(rows: Any) -> Any:
        take()
        return count_plays(rows)

    def check_then(self: spark_job.Hadoop, permit: str) -> None:
        check_permit(self, permit)
        if any(engine.outputs[1].glob("_aside-*")):  # it is the last time but one
            take()

    if step == "begin":
        take()
    monkeypatch.setattr(*{
        "begin": (spark_job, "validate", None),
        "validate": (spark_job, "validate", take),
        "count": (spark_job.spark_plays, "count_plays", count_then),
        "complete": (spark_job.Hadoop, "check_permit", check_then),
    }[step])  # fmt: skip
    with pytest.raises(SupersededError, match="another job of the day has begun"):
        engine.start(spins, listeners)
    assert [(folder / SUCCESS).exists() for folder in engine.outputs] == complete
    monkeypatch.undo()
    taken.rename(listeners)
    assert engine.run(spins, listeners).lines == (example.DATASET, example.COUNTS)


def test_paths_may_have_blanks(engine):
    engine.folder /= "a b%20"
    engine.folder.mkdir()
    assert engine.deliver(example.PLAYS, example.LISTENERS).lines == (example.DATASET, example.COUNTS)


def many(count: int) -> list[oracle.Play]:
    """Return distinct plays of one listener."""
    names = np.random.default_rng(5).bytes(count * 20).hex()
    titles = (names[number * 40 : number * 40 + 40] for number in range(count))
    return [play(fake_track_id=number, track_title=title) for number, title in enumerate(titles)]


@contextmanager
def small_files(process: psutil.Process, limit: int) -> Iterator[None]:
    """Limit the files that a process writes to *limit* bytes, as if the disk were full."""
    before = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process from outside")
def test_a_full_disk_leaves_nothing_that_looks_complete(engine):
    plays = many(20_000)
    engine.deliver(plays, [LISTENER])
    process = psutil.Process()
    if engine.name == "spark":
        [process] = [each for each in process.children(recursive=True) if each.name() == "java"]
    error = Py4JJavaError if engine.name == "spark" else OSError
    with small_files(process, 200_000), pytest.raises(error):
        engine.start(engine.folder / "spins.parquet", engine.folder / "listeners.parquet")
    assert not any((folder / SUCCESS).exists() for folder in engine.outputs)


def fields(line: str) -> tuple[str, ...]:
    """Split a line."""
    return tuple(line.split("\t"))


def test_every_reader_takes_a_file_of_many_blocks(engine, spark, monkeypatch):
    monkeypatch.setattr(duckdb_job, "BLOCK_ROWS", 2048)  # DuckDB's own unit
    adaptive = "spark.sql.adaptive.coalescePartitions.enabled"
    spark.conf.set(adaptive, "false")
    try:
        plays = [play(track_title='"', artist_name="\\", play_source=" x "), *many(20_000)]
        expected = sorted(map(fields, engine.deliver(plays, [LISTENER], minrows=20_001).dataset))
    finally:
        spark.conf.unset(adaptive)
    path = str(engine.outputs[0] / PART)
    packed = Path(path).read_bytes()
    assert packed.count(b"\0\0\xff\xff") > 2  # each block ends like this

    unpacked = subprocess.run(["zcat", path], capture_output=True, check=True).stdout.decode()
    assert sorted(map(fields, unpacked.splitlines()[1:])) == expected
    with gzip.open(path, "rt", encoding="utf-8") as file:
        assert sorted(fields(line.rstrip("\n")) for line in file)[:-1] == expected  # the header is the last
    with_pandas = pd.read_csv(path, sep="\t", quoting=3, dtype=str, keep_default_na=False)
    assert sorted(with_pandas.itertuples(index=False, name=None)) == expected
    options = {"parse_options": csv.ParseOptions(delimiter="\t", quote_char=False)}
    types = csv.ConvertOptions(column_types=dict.fromkeys(DATASET, pa.string()))
    with_arrow = csv.read_csv(path, **options, convert_options=types).to_pylist()
    assert sorted(tuple(row.values()) for row in with_arrow) == expected
    query = "SELECT * FROM read_csv($path, delim = chr(9), header = true, quote = '', escape = '', all_varchar = true)"
    assert sorted(duckdb.execute(query, {"path": path}).fetchall()) == expected
    with_spark = spark.read.csv(path, sep="\t", header=True, quote="", escape="")
    assert with_spark.columns == list(DATASET)
    assert sorted(tuple(row) for row in with_spark.collect()) == expected


def query_store(spark: SparkSession) -> Any:
    """Return Spark's store of the session's queries."""
    session: Any = spark
    return session._jsparkSession.sharedState().statusStore()


def joined_rows(spark: SparkSession, since: int) -> int:
    """Count the output rows of the joins of a session's later queries, as Spark's web UI does."""
    executions, rows = query_store(spark).executionsList(), 0
    for execution in (executions.apply(number).executionId() for number in range(since, executions.size())):
        values = query_store(spark).executionMetrics(execution)
        nodes = query_store(spark).planGraph(execution).allNodes()
        for node in (nodes.apply(number) for number in range(nodes.size())):
            metrics = node.metrics()
            for metric in (metrics.apply(number) for number in range(metrics.size() if "Join" in node.name() else 0)):
                if metric.name() == "number of output rows" and values.contains(metric.accumulatorId()):
                    rows += int(values.apply(metric.accumulatorId()).replace(",", ""))
    return rows


def test_spark_joins_once(spark, tmp_path):
    before = query_store(spark).executionsCount()
    Engine("spark", tmp_path, spark).deliver(many(1234), [LISTENER])
    assert joined_rows(spark, before) == 1234
    assert not spark._jsc.getPersistentRDDs()


TEXTS = st.none() | st.text(st.sampled_from('ab"\\ \t\r\n\0é東🎵'), max_size=3)
NUMBERS = st.none() | st.integers(-1, 1) | st.sampled_from([-(2**31), 2**31 - 1])
IDS = st.none() | st.integers(1, 3)
TIMES = st.none() | st.datetimes(datetime(1970, 1, 2), datetime(2020, 1, 1), timezones=st.just(UTC))
ELAPSED = st.none() | st.sampled_from([30, 31, 32])
ZIPS = st.none() | st.sampled_from([10001, 90210])
PLAYS = st.lists(st.tuples(NUMBERS, TEXTS, NUMBERS, TEXTS, TIMES, ELAPSED, TEXTS, IDS), max_size=8)
PEOPLE = st.lists(st.tuples(IDS, TEXTS, TEXTS, TEXTS, TEXTS, ZIPS), max_size=6)
ANY_ZONE = st.sampled_from(["America/New_York", "UTC", "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plays=PLAYS, people=PEOPLE, copies=st.integers(1, 2), zone=ANY_ZONE)
def test_duckdb_does_what_the_simplest_program_does(tmp_path, plays, people, copies, zone):
    found = Engine("duckdb", tmp_path, None).deliver(plays * copies, people, zone=zone)
    assert (row_counts(found.metrics), found.lines) == oracle.deliver(plays * copies, people, DAY, zone)


def test_both_engines_do_what_the_simplest_program_does(engine):
    """One large set of rows that collide, since a job on Spark is slow to start."""
    random = np.random.default_rng(1)
    zone = "Australia/Lord_Howe"  # half an hour later in summer
    texts = [None, "", "a", "b", " a", "a\tb", "a b", 'é"', "\0", "東京", "🎵\r"]

    def pick(values: list[Any]) -> Any:
        return values[random.integers(len(values))]

    def instant() -> datetime:
        return datetime.fromtimestamp(int(random.integers(0, 1_577_000_000_000)) / 1000, UTC)

    instants = [None, *(instant() for _ in range(30))]
    plays: list[oracle.Play] = [
        (pick([1, None]), pick(texts), pick([2, 3]), pick(texts), pick(instants), pick([None, 30, 31, 99]),
         pick(texts), pick([None, *range(12)]))
        for _ in range(3000)
    ]  # fmt: skip
    plays += plays[::5]
    people: list[oracle.Listener] = [
        (pick([None, *range(10)]), pick(texts), pick(texts), pick(texts), pick(texts), pick([None, 10001, 90210]))
        for _ in range(40)
    ]
    people += people[::3]
    found = engine.deliver(plays, people, zone=zone)
    assert (row_counts(found.metrics), found.lines) == oracle.deliver(plays, people, DAY, zone)
