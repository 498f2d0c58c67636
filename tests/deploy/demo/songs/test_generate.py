"""The generated days of song plays."""

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from deploy.demo.songs import generate
from include.songs.schemas import LISTENERS, SPINS

DAY = date(2026, 3, 4)
INT, TEXT, INSTANT = pa.int32(), pa.string(), pa.timestamp("us", "UTC")


@pytest.fixture(scope="module")
def made() -> tuple[pa.Table, pa.Table]:
    return generate.make(DAY)


def test_the_tables_have_the_columns_of_the_music_service(made):
    spins, listeners = made
    assert (spins.num_rows, listeners.num_rows) == (5000, 100)
    assert spins.schema == pa.schema(zip(SPINS, [INT, TEXT, INT, TEXT, INSTANT, INT, TEXT, INT], strict=True))
    assert listeners.schema == pa.schema(zip(LISTENERS, [INT, TEXT, TEXT, TEXT, TEXT, INT], strict=True))
    assert listeners["fake_listener_id"].to_pylist() == list(range(1, 101))
    assert sum(column.null_count for table in made for column in table.columns) == 0


def test_the_same_arguments_give_the_same_day_and_other_days_the_same_listeners(made):
    assert generate.make(DAY) == made
    spins, listeners = generate.make(date(2026, 3, 5))
    assert listeners == made[1]
    assert spins != made[0]
    assert generate.make(DAY, seed=8)[1] != made[1]


# the last two have 23 and 25 hours
@pytest.mark.parametrize("day", [DAY, date(2026, 3, 8), date(2026, 11, 1)])
def test_all_plays_are_of_the_day_in_new_york(day):
    times = generate.make(day)[0]["date_time"].to_pylist()
    assert {each.astimezone(ZoneInfo("America/New_York")).date() for each in times} == {day}
    assert times == sorted(times)
    assert len({each.hour for each in times}) == 24 - (day == date(2026, 3, 8))


def test_what_a_job_has_to_sort_out_is_there(made):
    spins = made[0].to_pandas()
    short = spins["elapsed_seconds"] <= 30
    assert 0.08 < short.mean() < 0.12
    assert {0, 30, 31, 300} <= set(spins["elapsed_seconds"])
    assert spins["elapsed_seconds"].between(0, 300).all()
    assert 10 <= spins[~short].duplicated().sum() <= 20
    assert 10 <= (spins["fake_listener_id"] > 100).sum() <= 40
    assert made[1]["fake_zipcode"].to_pandas().nunique() < 90
    for column in ("artist_name", "track_title"):
        assert spins[column].str.contains('"').any()
        assert not spins[column].map(str.isascii).all()


def test_songs_and_artists_have_their_numbers(made):
    spins = made[0].to_pandas()
    assert spins["play_source"].nunique() == 7
    for number, name in (("fake_artist_id", "artist_name"), ("fake_track_id", "track_title")):
        pairs = spins[[number, name]].drop_duplicates()
        assert len(pairs) == pairs[number].nunique() == pairs[name].nunique()


@pytest.mark.parametrize(("spins", "listeners"), [(0, 1), (1, 1), (3000, 2)])
def test_days_of_any_size_can_be_made(spins, listeners):
    assert [table.num_rows for table in generate.make(DAY, spins, listeners)] == [spins, listeners]


def test_files_are_as_the_music_service_writes_them(made, tmp_path: Path):
    path = tmp_path / "spins.snappy.parquet"
    generate.write(made[0], path)
    with pq.ParquetFile(path) as file:
        columns = [file.schema.column(number) for number in range(len(file.schema))]
        stored = file.metadata.row_group(0)
        assert file.metadata.metadata is None
    kinds = {"int": "INT32", "string": "BYTE_ARRAY", "timestamp": "INT96"}
    assert {each.name: each.physical_type for each in columns} == {name: kinds[kind] for name, kind in SPINS.items()}
    assert {each.max_definition_level for each in columns} == {1}  # nullable
    assert {stored.column(number).compression for number in range(stored.num_columns)} == {"SNAPPY"}
    read = pq.read_table(path)
    assert read["date_time"][0].as_py() == made[0]["date_time"][0].as_py().replace(tzinfo=None)
    assert read.drop_columns("date_time") == made[0].drop_columns("date_time")
    assert pc.min(read["date_time"]).as_py() >= datetime(2026, 3, 4, 5)
