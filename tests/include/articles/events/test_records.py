"""Conditions for a record to be a row, and the table of rows."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.articles.events.records import Rows, frame, transform_raw_data
from tests.include.articles.archive import CONTEXT, lines, record

SAMPLE = (
    '{"app_id":"washington-city-paper","platform":"web","collector_tstamp":"2026-03-10T11:22:33.123Z",'
    '"etl_tstamp":"2026-03-10T11:22:58.004Z","event":"unstruct","event_id":"7d0c5e2a-4b4e-4c4b-9a55-0b1d2f3a4c5d",'
    '"event_name":"amp_page_ping","event_vendor":"dev.amp.snowplow",'
    '"page_url":"https://washingtoncitypaper.com/article/101/alpha/","page_urlhost":"washingtoncitypaper.com",'
    '"page_urlpath":"/article/101/alpha/","contexts_dev_amp_snowplow_amp_id_1":'
    '[{"ampClientId":"amp-0123456789abcdefghijkl","domainUserid":"","userId":""}],'
    '"unstruct_event_dev_amp_snowplow_amp_page_ping_1":{"scrollTop":640,"viewportHeight":772,"totalEngagedTime":30},'
    '"os_timezone":"America/New_York"}'
)


def read(*given: bytes, format: str = "amp") -> tuple[list[tuple], int, int, int]:
    """Return rows, lines, bad lines and lines without reader of *given* lines."""
    rows = Rows(format=format)
    rows.add_lines(given)
    found = rows.take().select(["client_id", "landing_page_path", "activity_time"]).to_pylist()
    return [tuple(each.values()) for each in found], rows.lines, rows.bad_lines, rows.anonymous


def test_a_record_of_the_stream():
    found = transform_raw_data([json.loads(SAMPLE)])
    assert found.to_dict("records") == [
        {
            "activity_time": pd.Timestamp("2026-03-10T11:22:33.123", tz="UTC"),
            "session_date": pd.Timestamp("2026-03-10"),
            "landing_page_path": "/article/101/alpha/",
            "client_id": "amp-0123456789abcdefghijkl",
            "event_category": "snowplow_amp_page_ping",
            "event_action": "impression",
        }
    ]
    assert list(map(str, found.dtypes)) == [
        "datetime64[ms, UTC]",
        "datetime64[ms]",
        "str",
        "str",
        "category",
        "category",
    ]


def test_no_records_are_an_empty_table_with_the_same_columns():
    assert transform_raw_data([]).dtypes.equals(transform_raw_data([json.loads(SAMPLE)]).dtypes)


@pytest.mark.parametrize(
    "contexts",
    [
        None,
        [],
        "amp-1",
        {"ampClientId": "amp-1"},
        [None],
        [1],
        ["ampClientId"],
        [[]],
        [{}],
        [{"ampClientId": None}],
        [{"ampClientId": ""}],
        [{"ampClientId": 1}],
        [{"ampClientId": ["amp-1"]}],
        [{"ampclientid": "amp-1"}],
        [{}, {"ampClientId": "amp-1"}],
    ],
)
def test_a_record_without_reader_is_no_row(contexts):
    given = record() | {CONTEXT: contexts}
    assert read(lines([given])) == ([], 1, 0, 1)
    assert transform_raw_data([given]).empty


def test_an_absent_field_is_the_same_as_null():
    without_reader, without_path = record(), record()
    del without_reader[CONTEXT], without_path["page_urlpath"]
    assert read(lines([without_reader])) == read(lines([record(client=None)])) == ([], 1, 0, 1)
    assert read(lines([without_path])) == read(lines([record(path=None)]))


@pytest.mark.parametrize("path", [None, 17, ["/article/101/alpha/"], {"a": 1}, True])
def test_a_row_may_lack_a_path(path):
    found = transform_raw_data([record() | {"page_urlpath": path}])
    assert found["landing_page_path"].isna().tolist() == [True]
    assert found["client_id"].tolist() == ["amp-1"]


def test_further_contexts_do_not_count():
    assert (
        read(lines([record() | {CONTEXT: [{"ampClientId": "amp-1"}, 7, {"ampClientId": "amp-2"}]}]))[0][0][0] == "amp-1"
    )


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2021-02-11T08:01:10.937Z", "2021-02-11T08:01:10.937"),
        ("2021-02-11T08:01:10.937999Z", "2021-02-11T08:01:10.937"),  # not rounded up
        ("2021-02-11T08:01:10Z", "2021-02-11T08:01:10"),
        ("2021-02-11t08:01:10z", "2021-02-11T08:01:10"),
        ("2021-02-11 08:01:10.937", "2021-02-11T08:01:10.937"),  # without offset: UTC
        ("2021-02-11T08:01:10.937", "2021-02-11T08:01:10.937"),
        ("2021-02-11T01:01:10.937+02:00", "2021-02-10T23:01:10.937"),
        ("2021-02-11T01:01:10.937+0200", "2021-02-10T23:01:10.937"),
        ("2021-02-10T20:01:10.937-05:00", "2021-02-11T01:01:10.937"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999"),
    ],
)
def test_times_become_utc_to_the_millisecond(text, instant):
    (row,) = transform_raw_data([record(time=text)]).itertuples()
    assert row.activity_time == pd.Timestamp(instant, tz="UTC")
    assert row.session_date == pd.Timestamp(instant).normalize()


@pytest.mark.parametrize(
    "time",
    [
        None,
        1613030470,
        1613030470.937,
        "",
        "yesterday",
        "2021-02-30T00:00:00Z",
        "2021-02-11",
        "08:01:10Z",
        [],
        {},
        True,
    ],
)
def test_a_record_whose_time_cannot_be_read_is_bad(time):
    given = record() | {"collector_tstamp": time}
    assert read(lines([given])) == ([], 1, 1, 0)
    assert transform_raw_data([given]).empty


def test_a_record_without_time_and_reader_is_bad_and_counts_once():
    assert read(b"{}") == ([], 1, 1, 0)


GOOD = lines([record()]).strip()


@pytest.mark.parametrize(
    "bad",
    [
        GOOD[:-1],
        GOOD[: len(GOOD) // 2],
        GOOD + b"x",
        b"[" + GOOD + b"]",
        b"null",
        b"12",
        b'"text"',
        b"{",
        b"\0",
        b"\xe9t\xe9",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        GOOD.replace(b"alpha", b"\xff\xfe"),
        GOOD.replace(b"alpha", b"\\ud800"),
        GOOD.replace(b"alpha", b"a\tb"),
        b"x" * 20_000_000,
    ],
    ids=lambda bad: repr(bad[:20]),
)
def test_a_bad_line_does_not_take_its_neighbours_along(bad):
    good = read(GOOD)[0]
    assert read(GOOD, bad, GOOD) == (good * 2, 3, 1, 0)


def test_records_without_a_newline_between_them_count_each():
    good = read(GOOD)[0]
    assert read(GOOD, GOOD + GOOD, GOOD) == (good * 2, 4, 2, 0)


def test_blank_lines_do_not_count():
    assert read(b"", GOOD, b"   ", b"\r", b"\t\x0b\x0c") == read(GOOD)


def test_windows_line_ends_do_no_harm():
    assert read(GOOD + b"\r") == read(GOOD)


def test_a_long_field_that_is_not_used_does_no_harm():
    assert read(GOOD.replace(b'{"app_id"', b'{"other": "' + b"x" * 20_000_000 + b'", "app_id"')) == read(GOOD)


TEXT = st.text(st.characters(exclude_categories=()), max_size=5)  # lone halves of surrogate pairs, too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=3), each, max_size=3),
    max_leaves=5,
)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda each: f"{each.isoformat()}Z")
CONTEXTS = st.lists(st.fixed_dictionaries({}, optional={"ampClientId": TEXT | JSON}), max_size=2)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "collector_tstamp": TIMES | JSON,
        "page_urlpath": TEXT | JSON,
        CONTEXT: CONTEXTS | JSON,
        "other": JSON,
    },
)


def taken(rows: Rows) -> tuple[int, int, int, list[dict]]:
    return rows.lines, rows.bad_lines, rows.anonymous, rows.take().to_pylist()


@given(st.lists(RECORDS, max_size=5))
def test_lines_and_parsed_records_give_the_same_rows(records):
    from_lines, from_records = Rows(), Rows()
    from_lines.add_lines(json.dumps(each).encode() for each in records)
    from_records.add_records(records)
    found = taken(from_records)
    assert taken(from_lines) == found
    assert found[0] == len(records) == found[1] + found[2] + len(found[3])


@given(st.lists(RECORDS, max_size=5), st.data())
def test_the_order_of_records_does_not_matter(records, data):
    found, other = Rows(), Rows()
    found.add_records(records)
    other.add_records(data.draw(st.permutations(records)))
    *counts, rows = taken(found)
    *other_counts, other_rows = taken(other)
    assert counts == other_counts
    assert sorted(map(repr, rows)) == sorted(map(repr, other_rows))


@settings(max_examples=50)
@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_the_date_is_that_of_the_instant_in_utc(local, minutes):
    sign, minutes_east = "-" if minutes < 0 else "+", abs(minutes)
    text = f"{local.isoformat()}{sign}{minutes_east // 60:02}:{minutes_east % 60:02}"
    (row,) = transform_raw_data([record(time=text)]).itertuples()
    instant = local.replace(tzinfo=UTC) - timedelta(minutes=minutes)
    assert row.activity_time == pd.Timestamp(instant).floor("ms")
    assert row.session_date.date() == instant.date()


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Taipei"])
@pytest.mark.parametrize("text", ["2026-03-08T02:30:00.500", "2026-03-10T23:59:59.999Z", "2026-03-10T00:00:00+00:00"])
def test_the_zone_of_the_machine_does_not_matter(monkeypatch, zone, text):
    expected = transform_raw_data([record(time=text)])
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        pd.testing.assert_frame_equal(transform_raw_data([record(time=text)]), expected)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_categories_are_those_that_occur_in_the_order_of_their_text():
    rows = Rows()
    rows.add_lines(
        [lines([record(client, path)]) for client, path in (("b", "/x"), ("é", None), ("a", "/"), ("b", "/x"))]
    )
    found = frame(rows.take())
    assert found["client_id"].cat.categories.tolist() == ["a", "b", "é"]
    assert found["client_id"].tolist() == ["b", "é", "a", "b"]
    assert found["landing_page_path"].cat.categories.tolist() == ["/", "/x"]
    assert found["landing_page_path"].cat.codes.tolist() == [1, -1, 0, 1]


def enriched(**fields: str) -> bytes:
    """Return a line of an enriched event, by the places of its fields from 1."""
    return "\t".join(fields.get(f"f{number}", "") for number in range(1, 132)).encode()


NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
WEB = {"collector_tstamp": "2026-03-10T12:00:00Z", "page_urlpath": "/article/1/a/", "domain_userid": "web-1"}


def test_the_reader_of_any_tracker_is_its_domain_userid():
    amp = {**WEB, CONTEXT: [{"ampClientId": "amp-1"}]}
    given = [json.dumps(each).encode() for each in (WEB, amp, {**WEB, "domain_userid": ""})]
    rows, *counts = read(*given, format="json")
    assert rows == [("web-1", "/article/1/a/", NOON), ("amp-1", "/article/1/a/", NOON)]
    assert counts == [3, 0, 1]
    assert read(*given)[1:] == (3, 0, 2)  # in the format `amp`, it is no reader


def test_an_enriched_event():
    line = enriched(f4="2026-03-10 12:00:00.000", f16="web-1", f34="river.example", f36="/article/1/a/")
    expected = [("web-1", "/article/1/a/", NOON)]
    assert read(line, b"", line.replace(b"web-1", b""), format="tsv") == (expected, 2, 0, 1)
    assert read(b"\xef\xbb\xbf" + line, line + b"\r", format="tsv") == (expected * 2, 2, 0, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"x", b"{}", b"\xff" + enriched(f16="\u00ff")[:40], enriched(f1="app"), enriched(f4="yesterday", f16="r"),
        enriched(f4="2026-03-10 12:00:00") + b"\t", enriched(f4="2026-03-10 12:00:00")[:-1],
        enriched(f4="2026-03-10 12:00:00", f16="r").replace(b"\tr\t", b"\t\xff\t"),
    ],
)  # fmt: skip
def test_a_bad_enriched_event_costs_its_line_only(line):
    good = enriched(f4="2026-03-10 12:00:00", f16="r")
    assert read(good, line, good, format="tsv") == ([("r", None, NOON)] * 2, 3, 1, 0)


@pytest.mark.skipif(not os.environ.get("QUARTET_REAL_DATA"), reason="the real data are not there")
def test_real_enriched_events():
    path = Path(os.environ["QUARTET_REAL_DATA"], "snowplow", "scala_sdk_enriched_tsv", "enriched_events.tsv")
    rows, *counts = read(*path.read_bytes().split(b"\n"), format="tsv")
    time = datetime(2013, 11, 26, 0, 2, 5, tzinfo=UTC)
    assert rows == [("bc2e92ec6c204a14", "/product/index.html", time)] * 2
    assert counts == [2, 0, 0]


@pytest.mark.skipif(not os.environ.get("QUARTET_REAL_DATA"), reason="the real data are not there")
def test_real_events_of_a_web_tracker():
    path = Path(os.environ["QUARTET_REAL_DATA"], "snowplow", "dbt_web_source", "snowplow_web_events.csv")
    events = pd.read_csv(path, usecols=["collector_tstamp", "domain_userid", "page_urlhost", "page_urlpath"])
    given = [json.dumps(each).encode() for each in json.loads(events.to_json(orient="records"))]
    rows, count, bad, anonymous = read(*given, format="json")
    assert (count, bad) == (len(events), 0)
    assert len(rows) == events["domain_userid"].notna().sum() == count - anonymous
    assert {reader for reader, *_ in rows} == set(events["domain_userid"].dropna())
