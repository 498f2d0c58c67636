"""The events of a run: which objects, which of them are read, which rows. Local files; S3 is in tests/plugins."""

import gzip
import json
import os
import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.articles.events import archive as events
from include.articles.events import extracts
from include.articles.events.archive import (
    NoEventsError,
    ReplacedEventsError,
    TooManyBadFilesError,
    TooManyBadLinesError,
    collect,
    events_url,
    fetch_data,
    list_events,
)
from include.articles.events.records import transform_raw_data
from include.articles.settings import ArticleSettings
from include.core.errors import BadDataError, SettingsError
from tests.include.articles.archive import RUN_AT, lines, name, put, record

COUNTS = (
    "files",
    "new_files",
    "bad_files",
    "empty_files",
    "ignored_files",
    "rows",
    "lines",
    "bad_lines",
    "anonymous",
)
SETTINGS = ArticleSettings.load(days_of_data=2)


class Archive:
    """An archive of events in a folder, and the extracts of a site beside it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "events"
        self.extracts = folder / "extracts"
        self.put = lambda *given: put(self.root, *given)

    def collect(self, run_at: datetime = RUN_AT, **given) -> dict:
        return json.loads(
            json.dumps(collect(self.root, self.extracts, run_at, ArticleSettings.load(days_of_data=2, **given)))
        )

    def load(self, manifest: dict, run_at: datetime = RUN_AT) -> pd.DataFrame:
        return events.load(self.root, self.extracts, manifest, run_at, SETTINGS)

    def read(self, run_at: datetime = RUN_AT) -> pd.DataFrame:
        return ordered(fetch_data(self.root, "site", run_at, 2))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def ordered(found: pd.DataFrame) -> pd.DataFrame:
    found = found.astype({"client_id": "str", "landing_page_path": "str"})
    return found.sort_values(["client_id", "activity_time", "landing_page_path"], ignore_index=True)


def counted(manifest: dict) -> dict:
    return {each: manifest[each] for each in COUNTS if manifest[each]}


def test_objects_of_the_dates_are_read_whatever_the_hour(archive):
    for number, hour in enumerate(
        ["2026/03/08/23", "2026/03/09/00", "2026/03/09/23", "2026/03/10/12", "2026/03/11/00"]
    ):
        archive.put(name(number, hour), [record(f"amp-{number}")])
    archive.put("enriched/good/2026/03/10/loose.gz", [record("amp-loose")])
    archive.put("enriched/good/2026/03/10/11/deep/er.gz", [record("amp-deeper")])
    archive.put("enriched/bad/2026/03/10/11/a.gz", [record("amp-bad")])
    assert set(archive.read()["client_id"]) == {"amp-1", "amp-2", "amp-3", "amp-loose", "amp-deeper"}


def test_other_names_are_ignored_and_counted(archive):
    archive.put(name(), [record()])
    for other in ("a.gz.tmp", "a.json", "_SUCCESS", "a.GZ"):
        archive.put(f"enriched/good/2026/03/10/11/{other}", [record("amp-other")])
    (archive.root / "enriched/good/2026/03/10/11/empty.gz").touch()
    manifest = archive.collect()
    expected = {"files": 1, "new_files": 1, "empty_files": 1, "ignored_files": 4, "rows": 1, "lines": 1}
    assert counted(manifest) == expected


def test_what_is_counted(archive):
    archive.put(name(0), [record(), record(client=None), b"bad"] + [record()] * 40)
    archive.put(name(1), [b"bad", b"bad", b"", record(path=None)] + [record()] * 40)
    (archive.root / name(2)).write_bytes(gzip.compress(lines([record()]))[:-9])
    manifest = archive.collect()
    assert counted(manifest) == {
        "files": 3,
        "new_files": 3,
        "bad_files": 1,
        "rows": 82,
        "lines": 86,
        "bad_lines": 3,
        "anonymous": 1,
    }
    assert manifest["worst_file"] == {"name": name(1), "lines": 43, "bad_lines": 2}
    assert list(manifest["extracts"].values()) == [name(0), name(1)]
    assert len(archive.load(manifest)) == 82


def test_a_second_run_reads_only_what_is_new_or_was_replaced(archive):
    for number in range(3):
        archive.put(name(number), [record(f"amp-{number}")])
    assert archive.collect()["new_files"] == 3
    archive.put(name(3), [record("amp-3")])
    archive.put(name(0), [record("amp-4")])  # as long as before
    manifest = archive.collect()
    assert (manifest["files"], manifest["new_files"]) == (4, 2)
    assert sorted(archive.load(manifest)["client_id"]) == ["amp-1", "amp-2", "amp-3", "amp-4"]
    assert archive.collect() == manifest | {"new_files": 0}


def test_an_unreadable_object_is_not_read_again(archive, monkeypatch):
    archive.put(name(0), [record()])
    (archive.root / name(1)).write_bytes(b"not gzip")
    assert counted(archive.collect())["bad_files"] == 1
    monkeypatch.setattr(extracts, "make", None)
    assert counted(archive.collect()) == {"files": 2, "bad_files": 1, "rows": 1, "lines": 1}


def test_without_the_extracts_all_is_read_again_with_the_same_result(archive):
    for number in range(3):
        archive.put(name(number), [record(f"amp-{number}"), record()])
    manifest = archive.collect()
    before = archive.load(manifest)
    shutil.rmtree(archive.extracts)
    assert archive.collect() == manifest
    pd.testing.assert_frame_equal(archive.load(manifest), before)


def test_an_extract_that_is_deleted_or_damaged_during_a_run_is_made_again(archive):
    for number in range(3):
        archive.put(name(number), [record(f"amp-{number}")])
    manifest = archive.collect()
    before = archive.load(manifest)
    first, second, _ = manifest["extracts"]
    (archive.extracts / first).unlink()
    (archive.extracts / second).write_bytes(b"PAR1")
    pd.testing.assert_frame_equal(archive.load(manifest), before)
    assert archive.collect() == manifest | {"new_files": 0}


def test_an_extract_of_an_object_that_was_replaced_cannot_be_made_again(archive):
    archive.put(name(), [record()])
    manifest = archive.collect()
    shutil.rmtree(archive.extracts)
    archive.put(name(), [record("amp-2")])
    with pytest.raises(ReplacedEventsError, match=rf"{name()} was replaced during the run"):
        archive.load(manifest)
    (archive.root / name()).unlink()
    with pytest.raises(ReplacedEventsError, match=rf"{name()} was deleted during the run"):
        archive.load(manifest)


def test_a_replaced_object_does_no_harm_while_its_extract_is_there(archive):
    archive.put(name(), [record()])
    manifest = archive.collect()
    (archive.root / name()).unlink()
    assert archive.load(manifest)["client_id"].tolist() == ["amp-1"]


def test_an_object_deleted_after_the_listing_is_as_if_never_there(archive):
    archive.put(name(0), [record("amp-0")])
    archive.put(name(1), [record("amp-1")])
    listing = list_events(archive.root, RUN_AT, 2)
    (archive.root / name(1)).unlink()
    manifest = events.extract(archive.root, listing, archive.extracts)
    assert counted(manifest) == {"files": 1, "new_files": 1, "rows": 1, "lines": 1}


def test_runs_at_the_same_time_do_not_disturb_each_other(archive):
    for number in range(20):
        archive.put(name(number), [record(f"amp-{number}")])
    with ThreadPoolExecutor(4) as pool:
        manifests = [each.result() for each in [pool.submit(archive.collect) for _ in range(4)]]
    assert len({json.dumps(each["extracts"]) for each in manifests}) == 1
    assert len(archive.load(manifests[0])) == 20
    assert len(list(archive.extracts.glob("*/*"))) == 20


def test_progress_is_told(archive):
    for number in range(3):
        archive.put(name(number), [record()])
    told = []
    collect(archive.root, archive.extracts, RUN_AT, SETTINGS, lambda *numbers: told.append(numbers))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_error_of_one_object_ends_the_run_and_what_is_done_stays(archive, monkeypatch):
    for number in range(30):
        archive.put(name(number), [record()])
    read = extracts.read_bytes

    def forbidding(path):
        if path.name == Path(name(5)).name:
            raise PermissionError(f"{path} is not for you")
        return read(path)

    monkeypatch.setattr(extracts, "read_bytes", forbidding)
    with pytest.raises(PermissionError, match="is not for you"):
        archive.collect()
    monkeypatch.setattr(extracts, "read_bytes", read)
    manifest = archive.collect()
    assert manifest["files"] == 30
    assert manifest["new_files"] < 30


def test_rows_are_those_from_the_first_midnight_to_the_instant_of_the_run(archive):
    times = {
        "2026-03-08T23:59:59.999Z": False,
        "2026-03-09T00:00:00.000Z": True,
        "2026-03-09T01:59:59.999+02:00": False,
        "2026-03-10T12:00:00.000Z": True,
        "2026-03-10T12:00:00.001Z": False,
        "2026-03-10T12:00:00.0009Z": True,  # cut to the millisecond
        "2026-03-08T20:00:00-04:00": True,  # New York's day of 23 hours
        "2126-03-10T12:00:00Z": False,
        "9999-12-31T23:59:59.999-14:00": False,
        "0001-01-01T00:00:00+14:00": False,
        "0000-00-00T00:00:00Z": False,
        "2026-03-09T24:00:00Z": False,
        "1970-01-01T00:00:00Z": False,
    }
    archive.put(name(), [record(time, time=time) for time in times])
    manifest = archive.collect(max_bad_line_ratio=0.2)
    assert manifest["bad_lines"] == 2
    assert set(archive.load(manifest)["client_id"]) == {time for time, inside in times.items() if inside}


def test_an_event_counts_by_its_own_time_however_late_it_comes(archive):
    archive.put(name(0, "2026/03/10/00"), [record(time="2026-03-09T08:01:10.937Z")])
    (row,) = archive.read().itertuples()
    assert row.session_date == pd.Timestamp("2026-03-09")


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))])
def test_the_zone_of_the_instant_does_not_matter(archive, zone):
    archive.put(name(0), [record(time="2026-03-10T11:59:59.000Z")])
    archive.put(name(1, "2026/03/09/00"), [record(time="2026-03-09T00:00:00.000Z")])
    pd.testing.assert_frame_equal(archive.read(RUN_AT.astimezone(zone)), archive.read())
    assert len(archive.read()) == 2


def test_an_instant_without_zone_is_refused(archive):
    with pytest.raises(ValueError, match=r"an instant with its zone was expected, found 2026-03-10T12:00:00$"):
        archive.read(RUN_AT.replace(tzinfo=None))


# Chile's and Samoa's clocks have skipped midnights and a day
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Taipei", "America/Santiago", "Pacific/Apia"])
def test_the_zone_of_the_machine_does_not_matter(archive, monkeypatch, zone):
    archive.put(
        name(0), [record("amp-1", time="2026-03-10T11:59:59.999Z"), record("amp-2", time="2026-03-09T00:00:00")]
    )
    expected = archive.read()
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        pd.testing.assert_frame_equal(archive.read(), expected)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert len(expected) == 2


def test_the_table_has_categories_of_what_occurs_within_the_window(archive):
    archive.put(name(), [record("b", "/x"), record("a", None), record("c", "/late", "2026-03-10T13:00:00.000Z")])
    found = archive.load(archive.collect())
    assert found["client_id"].cat.categories.tolist() == ["a", "b"]
    assert found["landing_page_path"].cat.categories.tolist() == ["/x"]
    assert found.columns.tolist() == transform_raw_data([]).columns.tolist()


def test_bad_lines_up_to_the_limit_are_borne(archive):
    archive.put(name(0), [record()] * 50 + [b"bad"] * 20)
    archive.put(name(1), [record()] * 21 + [b"bad"] * 9)
    assert archive.collect(max_bad_line_ratio=0.29)["bad_lines"] == 29
    archive.put(name(2), [b"bad"])
    with pytest.raises(
        TooManyBadLinesError,
        match=r"^30 of 101 event lines below .*/events are unreadable \(29\.7030%\); at most 29\.0000% are allowed "
        rf"\(ARTICLE_RECS_MAX_BAD_LINE_RATIO\)\. The worst object is {name(0)}: 20 of 70$",
    ):
        archive.collect(max_bad_line_ratio=0.29)


def test_records_without_newlines_are_bad_lines(archive):
    for number in range(10):
        archive.put(name(number), [record()] * 1_000)
    glued = json.dumps(record()).encode() * 10_000
    (archive.root / name(10)).write_bytes(gzip.compress(glued))
    with pytest.raises(TooManyBadLinesError, match=rf"^10000 of 20000 event lines .* is {name(10)}: 10000 of 10000$"):
        archive.collect()


@pytest.mark.parametrize(("whole", "cut"), [(5, 5), (6, 114), (38, 2)])
def test_several_unreadable_objects_are_borne_up_to_the_limit(archive, whole, cut):
    for number in range(whole + cut):
        archive.put(name(number), [record(f"amp-{number}")] * 100)
        path = archive.root / name(number)
        if number < cut:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if cut <= 2:
        assert archive.collect()["bad_files"] == cut
        return
    message = (
        rf"^{cut} of {whole + cut} event objects below .*/events are unreadable \(.* bytes\), such as {name(0)}; at"
    )
    with pytest.raises(TooManyBadFilesError, match=message):
        archive.collect()
    assert archive.collect(max_bad_line_ratio=1)["bad_files"] == cut


def test_few_unreadable_objects_may_have_most_of_the_bytes(archive):
    for number in range(60):
        archive.put(name(number), [record()])
    for number in range(60, 62):
        (archive.root / name(number)).write_bytes(b"not gzip" * 10_000)
    with pytest.raises(TooManyBadFilesError, match=r"^2 of 62 .*\(160,000 of 17\d,\d{3} bytes\)"):
        archive.collect()


def test_ignored_objects_are_told(archive, caplog):
    archive.put(name(), [record()])
    for other in ("a.zst", "a.GZ", "a.json"):
        archive.put(f"enriched/good/2026/03/10/11/{other}", [record()])
    manifest = archive.collect()
    assert (manifest["ignored_files"], manifest["ignored_file"]) == (3, "enriched/good/2026/03/10/11/a.GZ")
    assert "3 objects are ignored, because their names do not end in .gz, such as enriched/good" in caplog.text
    (archive.root / name()).unlink()
    with pytest.raises(
        NoEventsError, match=r"ignored_files 3\. The time is .* is ampClientId of .*names .* end in \.gz"
    ):
        archive.collect()


def test_a_single_bad_line_may_be_too_many(archive):
    archive.put(name(), [record()] * 1_000)
    assert archive.collect(max_bad_line_ratio=0)["bad_lines"] == 0
    archive.put(name(), [*[record()] * 1_000, b"bad"])
    with pytest.raises(TooManyBadLinesError):
        archive.collect(max_bad_line_ratio=0)


def test_without_any_row_a_run_fails(archive):
    with pytest.raises(
        NoEventsError, match=r"below .*/events on 2026-03-09 to 2026-03-10: files 0, bad_files 0, lines 0"
    ):
        archive.collect()
    archive.put(name(0), [record(client=None)])
    (archive.root / name(1)).write_bytes(b"not gzip")
    with pytest.raises(NoEventsError, match="files 2, bad_files 1, lines 1, anonymous 1"):
        archive.collect()
    archive.put(name(2), [b"bad"])
    with pytest.raises(NoEventsError):
        archive.collect(max_bad_line_ratio=1)


def test_without_a_row_in_the_window_a_run_fails(archive):
    archive.put(name(), [record(time="2026-03-10T12:00:00.001Z")])
    manifest = archive.collect()
    with pytest.raises(NoEventsError, match=r"none of 1 events is from 2026-03-09 .* to 2026-03-10 12:00:00"):
        archive.load(manifest)


def test_wrong_events_fail_at_once():
    assert issubclass(NoEventsError, BadDataError)
    assert issubclass(TooManyBadLinesError, BadDataError)
    assert issubclass(ReplacedEventsError, BadDataError)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("lnl-snowplow-washington-city-paper", "s3://lnl-snowplow-washington-city-paper"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("file:///data/events/", "file:///data/events"),
        ("file:///data/é ö", "file:///data/é ö"),
    ],
)
def test_locations_of_events(location, url):
    assert events_url(location) == url


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/data",
        "a/b",
        "s3://",
        "file://data",
        "http://host/a",
        "..",
        "a bucket",
        "-",
        "/srv/events",
        "s3://a_!/b",
        "s3://-a-",
    ],
)
def test_other_locations_are_refused(location):
    with pytest.raises(
        SettingsError, match="ARTICLE_RECS_GA_DATA_BUCKET: s3://bucket/prefix, file:///path or a bucket"
    ):
        events_url(location)


EVENTS = st.builds(
    record,
    st.sampled_from(["amp-1", "amp-2", None, "é"]),
    st.sampled_from(["/article/101/alpha/", "/", None]),
    st.datetimes(datetime(2026, 3, 8, 22), datetime(2026, 3, 10, 13)).map(lambda each: f"{each.isoformat()}Z"),
)
SPOTS = st.tuples(st.integers(0, 2), st.sampled_from(["2026/03/09/00", "2026/03/10/00", "2026/03/10/23"]))
PLACED = st.tuples(SPOTS, EVENTS | st.sampled_from([b"bad", b"{", b""]))


@settings(max_examples=25, deadline=None)
@given(placed=st.lists(PLACED, max_size=12), at_first=st.integers(0, 12))
def test_neither_order_nor_objects_nor_earlier_runs_matter(tmp_path_factory, placed, at_first):
    """Lines in any order, spread over any objects, read in one run or in two, are the rows of their records."""
    archive = Archive(tmp_path_factory.mktemp("archive"))
    placed = [((0, "2026/03/10/00"), record("amp-sure")), *placed]
    for part in (placed[: at_first + 1], placed):
        for spot in {spot for spot, _ in part}:
            archive.put(name(*spot), [each for other, each in part if other == spot])
        manifest = archive.collect(max_bad_line_ratio=1)
    expected = transform_raw_data([each for _, each in placed if isinstance(each, dict)])
    inside = expected["activity_time"].between(pd.Timestamp("2026-03-09", tz="UTC"), pd.Timestamp(RUN_AT))
    pd.testing.assert_frame_equal(ordered(archive.load(manifest)), ordered(expected[inside]))


def test_an_event_delivered_twice_is_two_rows_of_one_time(archive):
    archive.put(name(0), [record(), record()])
    archive.put(name(1), [record()])
    found = archive.read()
    assert Counter(found["client_id"]) == {"amp-1": 3}
    assert found["activity_time"].nunique() == 1


TOOLS = Path(os.environ.get("QUARTET_REAL_DATA", "")).parent / "tools"


@pytest.mark.real_data
@pytest.mark.skipif(not (TOOLS / "make_snowplow_events.py").is_file(), reason="there is no generator of events")
def test_the_counts_of_a_generated_archive(tmp_path):
    import subprocess
    import sys

    line = [sys.executable, TOOLS / "make_snowplow_events.py", "--out", tmp_path]
    size = ["--days", "3", "--users", "500", "--articles", "50", "--events", "60000", "--seed", "11"]
    subprocess.run([*line, *size], check=True, capture_output=True)
    truth = json.loads((tmp_path / "truth" / "summary.json").read_text())
    run = ArticleSettings.load(days_of_data=3)
    manifest = collect(tmp_path, tmp_path / "extracts", RUN_AT, run)
    assert (manifest["files"], manifest["lines"]) == (truth["files"], truth["lines"])
    assert manifest["bad_lines"] == truth["malformed_lines"] > 0
    assert manifest["anonymous"] == truth["null_or_absent_client"] > 0
    found = events.load(tmp_path, tmp_path / "extracts", manifest, RUN_AT, run)
    assert found["landing_page_path"].isna().sum() > 0
    usable = found[found["landing_page_path"].notna()]
    assert len(usable) == truth["usable_lines"]
    assert usable["client_id"].nunique() == truth["clients_seen"]
    per_date = usable["session_date"].dt.strftime("%Y-%m-%d").value_counts().to_dict()
    assert per_date == {day: lines for day, lines in truth["usable_lines_per_event_date"].items() if lines}
    assert found["activity_time"].max() <= datetime(2026, 3, 10, 12, tzinfo=UTC)
