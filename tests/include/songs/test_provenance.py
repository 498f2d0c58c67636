"""Which spins and listeners made a line or a count: each explanation alone gives the value again."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from include.core.code import code_version
from include.core.provenance import Record, Row, UnknownRowError, explain_deep, parse_row
from include.songs import layout
from include.songs.provenance import explain
from tests.support.songs import example
from tests.support.songs.made_day import DAY, make_day


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Return a song plays folder with the complete day of the worked example."""
    root = tmp_path_factory.mktemp("provenance") / "songs"
    make_day(root)
    return root


def why(root: Path, *parts: str) -> Record:
    return explain(root, Row("songs", parts))


def recomputed(record: Record) -> Iterator[str]:
    """Yield the lines that the sources of a record give, by plain Python."""
    zone = ZoneInfo(record.made_by.parameters["report_timezone"])
    listeners = [source.value for source in record.sources if source.kind == "listener"]
    for source in record.sources:
        if source.kind == "spin" and source.value["elapsed_seconds"] > 30:
            play = source.value | {
                "date_time": datetime.fromisoformat(source.value["date_time"])
                .astimezone(zone)
                .isoformat(timespec="milliseconds")
            }
            for listener in listeners:
                if listener["fake_listener_id"] == play["fake_listener_id"]:
                    row = {"fake_listener_id": None} | play | listener
                    yield "\t".join(map(str, row.values()))


def test_each_line_is_given_again_by_its_explanation_alone(root):
    found = [why(root, "2019-02-08", "dataset", str(number)) for number in range(1, 7)]
    assert sorted(each.value for each in found) == sorted(example.DATASET)
    for each in found:
        assert set(recomputed(each)) == {each.value}


@pytest.mark.parametrize("line", example.COUNTS)
def test_each_count_is_given_again_by_its_explanation_alone(root, line):
    zip_code, subscription, spins = line.split("\t")
    found = why(root, "2019-02-08", "counts", zip_code, subscription)
    assert found.value == int(spins) == len(set(recomputed(found)))
    assert sum(source.share or 0 for source in found.sources) == pytest.approx(1)


def test_a_record_names_run_code_and_files(root):
    found = why(root, "2019-02-08", "counts", "90210", "Family").as_json()
    assert found["made_by"] == {
        "dag": "song_plays",
        "run": "manual__1",
        "task": "duckdb",
        "code": code_version(),
        "parameters": {"day": "2019-02-08", "minrows": 1, "report_timezone": "America/New_York"},
    }
    spin = next(each for each in found["from"] if each["kind"] == "spin")
    assert spin["uri"] == "songs/spins/2019/02/08/spins.snappy.parquet"
    assert spin["selector"] == {"type": "location", "locations": ["row=0"]}
    assert len(spin["sha256"]) == 64
    assert found["checked"] is None


def test_the_same_play_twice_is_one_source_with_two_places(root):
    found = why(root, "2019-02-08", "counts", "90210", "Family")
    places = [each.selector["locations"] for each in found.sources if each.selector]
    assert ["row=2", "row=3"] in places  # Bo, twice the same
    assert ["row=0", "row=1"] in places  # the listener Ana


def test_an_explanation_goes_down_to_the_download(root):
    row = parse_row("quartet://songs/2019-02-08/counts/10001/Plus")
    found = explain_deep(lambda each: explain(root, each), row, 2)
    deeper = [source.why for source in found.sources if source.why]
    assert [each.row for each in deeper] == ["quartet://songs/2019-02-08/spins/9"]
    assert deeper[0].sources[0].uri.endswith("/spins")


@pytest.mark.parametrize(
    "parts",
    [
        ("2019-02-08", "dataset", "0"),
        ("2019-02-08", "dataset", "7"),
        ("2019-02-08", "dataset", "x"),
        ("2019-02-08", "counts", "1", "Plus"),
        ("2019-02-08", "spins", "10"),
        ("2019-02-09", "dataset", "1"),
        ("yesterday", "dataset", "1"),
    ],
)
def test_what_is_not_there_is_unknown(root, parts):
    with pytest.raises(UnknownRowError):
        why(root, *parts)


def test_a_source_that_has_changed_has_no_values(root):
    spins = Path(layout.spins_file(root, DAY))
    content = spins.read_bytes()
    try:
        spins.write_bytes(content[:-9] + b"x" + content[-8:])
        found = why(root, "2019-02-08", "counts", "10001", "Plus")
    finally:
        spins.write_bytes(content)
    assert [(each.kind, each.value) for each in found.sources] == [("spin", None), ("listener", None)]
    assert all(each.sha256 for each in found.sources)
