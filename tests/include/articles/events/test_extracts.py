"""Extracts: what is counted of an object, how damage comes out, when an object is read again."""

import gzip
import io
import json
import logging
import random
import time
from datetime import date
from itertools import pairwise

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.articles.events import extracts
from include.articles.events.extracts import Extract
from include.articles.events.hosts import Hosts
from include.articles.events.members import inflate
from include.articles.events.records import BOM, Rows
from include.core.storage import StoredObject, read_bytes
from tests.include.articles.archive import lines, name, put, record

DAY = date(2026, 3, 10)
GOOD = lines([record()])


@pytest.fixture
def make(tmp_path):
    """Return a function that extracts an object with the given bytes and reads the extract back."""

    def made(data: bytes) -> tuple[Extract, list[dict]]:
        (tmp_path / "object.gz").write_bytes(data)
        extract = extracts.make(tmp_path / "object.gz", f"{DAY}/{'0' * 32}", tmp_path / "extracts")
        assert extract
        assert extracts.existing(tmp_path / "extracts", DAY) == {f"{DAY}/{'0' * 32}": extract}
        rows = extracts.load(tmp_path / "extracts" / extract.name) if extract.readable else None
        return extract, rows.to_pylist() if rows else []

    return made


@pytest.fixture
def naps(monkeypatch) -> list[float]:
    """Collect the waits in seconds, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waited.append)
    return waited


def counts(extract: Extract) -> tuple[int, int, int, int]:
    return extract.rows, extract.lines, extract.bad_lines, extract.anonymous


def test_the_name_of_an_extract_says_what_was_counted(make):
    data = lines([record(), record("amp-2"), record(client=None), b"bad", b"", record(path=None)])
    extract, rows = make(gzip.compress(data))
    assert extract.name == f"2026-03-10/{'0' * 32}-3-5-1-1.parquet"
    assert counts(extract) == (3, 5, 1, 1)
    assert [(each["client_id"], each["landing_page_path"]) for each in rows] == [
        ("amp-1", "/article/101/alpha/"),
        ("amp-2", "/article/101/alpha/"),
        ("amp-1", None),
    ]


def test_a_gzip_of_nothing_is_an_extract_of_nothing(make):
    assert counts(make(gzip.compress(b""))[0]) == (0, 0, 0, 0)
    assert counts(make(gzip.compress(b"\n\n \n"))[0]) == (0, 0, 0, 0)


def test_the_last_line_needs_no_newline(make):
    assert make(gzip.compress(GOOD * 2)[:])[1] == make(gzip.compress((GOOD * 2)[:-1]))[1]


def test_members_of_a_gzip_are_one_text(make):
    text = GOOD * 5
    whole = make(gzip.compress(text))
    cut = len(GOOD) + 7  # within the second line
    assert make(gzip.compress(text[:cut]) + gzip.compress(text[cut:])) == whole
    assert make(gzip.compress(text) + b"\0" * 100) == whole


NOISE = random.Random(0).randbytes(1_000)  # so that the compressed text is long enough to be cut inside
LONG = gzip.compress(lines([record(client=NOISE.hex()) for _ in range(20)]))


@pytest.mark.parametrize(
    "data",
    [
        LONG[: len(LONG) // 2],
        LONG[:-4],
        LONG[:10],
        LONG[:1],
        GOOD,
        b"not gzip",
        LONG[:-8] + b"abcd" + LONG[-4:],
        LONG[:50] + b"abcd" + LONG[54:],
        LONG + LONG[:-4],
        b"",
    ],
    ids=["half", "no end", "header", "a byte", "plain", "text", "checksum", "inside", "second member", "nothing"],
)
def test_an_object_that_is_not_whole_gzip_is_kept_as_unreadable(make, caplog, data):
    extract, _ = make(data)
    assert extract == Extract(f"2026-03-10/{'0' * 32}-unreadable.txt", readable=False)
    assert "object.gz is not whole gzip" in caplog.text


@pytest.mark.parametrize("after", [b"not gzip", b"\r\n", b"\0\0x", b"\x1f", b"\0" * 9])
def test_bytes_after_the_end_cost_nothing(make, caplog, after):
    assert make(LONG + after) == make(LONG)
    assert (f"{len(after.lstrip(bytes(1)))} bytes after the end" in caplog.text) is bool(after.strip(b"\0"))


def test_the_last_line_of_a_member_needs_no_newline(make):
    records = [lines([record(f"amp-{number}")])[:-1] for number in range(3)]
    assert counts(make(b"".join(map(gzip.compress, records)))[0]) == (3, 3, 0, 0)
    assert counts(make(b"".join(gzip.compress(BOM + each) for each in records))[0]) == (3, 3, 0, 0)


@pytest.mark.parametrize("text", [BOM + GOOD * 10, BOM + b"\n" + GOOD * 10, GOOD * 9 + BOM + GOOD, GOOD * 10 + BOM])
def test_a_byte_order_mark_costs_no_line(make, text):
    assert counts(make(gzip.compress(text))[0]) == (10, 10, 0, 0)


@pytest.mark.parametrize("limit", [500, extracts.MAX_LINE_BYTES])
def test_records_without_newlines_count_as_that_many_bad_lines(make, monkeypatch, limit):
    monkeypatch.setattr(extracts, "BLOCK_BYTES", 5 * len(GOOD))
    monkeypatch.setattr(extracts, "MAX_LINE_BYTES", limit)
    found = counts(make(gzip.compress(GOOD[:-1] * 1_000 + b"\n" + GOOD))[0])
    if limit > 500:
        assert found == (1, 1_001, 1_000, 0)
    else:  # a record that lies across two parts is not seen
        assert found[0] == 1
        assert 900 < found[2] <= 1_000


@pytest.mark.parametrize("size", [1, 7, 100, 1_000])
def test_blocks_do_not_matter(make, monkeypatch, size):
    text = lines([record(), b"bad", b"", record("amp-2"), record(client=None)]) * 3
    whole = make(gzip.compress(text))
    monkeypatch.setattr(extracts, "BLOCK_BYTES", size)
    assert make(gzip.compress(text)) == whole


def test_a_text_without_lines_does_not_fill_the_memory(make, monkeypatch):
    monkeypatch.setattr(extracts, "BLOCK_BYTES", 100)
    monkeypatch.setattr(extracts, "MAX_LINE_BYTES", 1_000)
    assert len(GOOD) < 1_000
    endless = b"x" * 100_000
    assert max(len(each) for part in extracts._blocks(gzip.compress(endless)) for each in part) < 1_200
    assert counts(make(gzip.compress(GOOD + endless + b"\n" + GOOD))[0]) == (2, 3, 1, 0)
    hidden = GOOD.replace(b'{"app_id"', b'{"other": "' + endless + b'", "app_id"')
    assert counts(make(gzip.compress(GOOD + hidden + GOOD))[0]) == (2, 3, 1, 0)


@settings(max_examples=50)
@given(
    texts=st.lists(
        st.sampled_from([GOOD[:-1], b"bad", b"", b"{", lines([record(client=None)])[:-1]]) | st.binary(max_size=9)
    ),
    cuts=st.lists(st.integers(0, 2_000), max_size=3),
    block=st.integers(1, 500),
)
def test_what_is_counted_is_that_of_the_single_lines(texts, cuts, block):
    data = b"\n".join(texts)
    edges = sorted({0, *(min(cut, len(data)) for cut in cuts), len(data)})
    members = [gzip.compress(data[start:end]) for start, end in pairwise(edges)]
    expected = Rows()
    for line in data.split(b"\n"):
        expected.add_lines([line])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extracts, "BLOCK_BYTES", block)
        table, found = extracts._read(b"".join(members) or gzip.compress(b""))
    assert (found.lines, found.bad_lines, found.anonymous) == (expected.lines, expected.bad_lines, expected.anonymous)
    assert found.lines == sum(bool(line.strip()) for line in data.split(b"\n"))
    assert table.to_pylist() == expected.take().to_pylist()


def test_a_key_belongs_to_an_object_in_one_state(monkeypatch):
    stored = StoredObject("a.gz", 10, 1.0, "etag")
    key = extracts.key_of(name(), stored)
    assert key.startswith("2026-03-10/")
    assert key == extracts.key_of(name(), StoredObject("another name in its listing", 10, 1.0, "etag"))
    others = [
        extracts.key_of(name(), StoredObject("a.gz", 11, 1.0, "etag")),
        extracts.key_of(name(), StoredObject("a.gz", 10, 2.0, "etag")),
        extracts.key_of(name(), StoredObject("a.gz", 10, 1.0, "other")),
        extracts.key_of(name(1), stored),
    ]
    monkeypatch.setattr(extracts, "FORMAT_VERSION", extracts.FORMAT_VERSION + 1)
    others.append(extracts.key_of(name(), stored))
    assert len({key, *others}) == 6


def test_other_files_are_no_extracts(tmp_path):
    folder = tmp_path / "2026-03-10"
    folder.mkdir()
    for other in ("readme.txt", f"{'0' * 32}.parquet", f"{'0' * 32}-1-1-0.parquet", f".{'0' * 32}-1-1-0-0.parquet.tmp"):
        (folder / other).touch()
    assert extracts.existing(tmp_path, DAY) == {}
    assert extracts.existing(tmp_path, date(2026, 3, 9)) == {}


def test_an_object_that_is_gone_gives_nothing(tmp_path, naps):
    assert extracts.make(tmp_path / "object.gz", f"{DAY}/{'0' * 32}", tmp_path / "extracts") is None
    assert naps == []


def failing(times: int, error: OSError):
    """Build a reader of objects that fails at first."""
    left = [error] * times

    def read(path):
        if left:
            raise left.pop()
        return read_bytes(path)

    return read


def test_a_passing_error_is_waited_for(tmp_path, monkeypatch, naps, caplog):
    put(tmp_path, name(), [record()])
    monkeypatch.setattr(extracts, "read_bytes", failing(2, TimeoutError("slow")))
    extract = extracts.make(tmp_path / name(), f"{DAY}/{'0' * 32}", tmp_path / "extracts")
    assert extract
    assert counts(extract) == (1, 1, 0, 0)
    assert naps == [2, 4]
    assert [each.levelno for each in caplog.records] == [logging.WARNING] * 2


def test_the_third_error_is_raised(tmp_path, monkeypatch, naps):
    put(tmp_path, name(), [record()])
    monkeypatch.setattr(extracts, "read_bytes", failing(3, ConnectionResetError("reset by peer")))
    with pytest.raises(ConnectionResetError, match="reset by peer"):
        extracts.make(tmp_path / name(), f"{DAY}/{'0' * 32}", tmp_path / "extracts")
    assert naps == [2, 4]
    assert not (tmp_path / "extracts").exists()


def test_what_is_forbidden_is_not_asked_for_again(tmp_path, monkeypatch, naps):
    monkeypatch.setattr(extracts, "read_bytes", failing(9, PermissionError("no")))
    with pytest.raises(PermissionError):
        extracts.make(tmp_path / name(), f"{DAY}/{'0' * 32}", tmp_path / "extracts")
    assert naps == []


def test_a_damaged_extract_is_as_good_as_none(tmp_path, make):
    extract, rows = make(gzip.compress(GOOD * 100))
    path = tmp_path / "extracts" / extract.name
    whole = path.read_bytes()
    assert len(rows) == 100
    for data in (b"", b"PAR1", whole[: len(whole) // 2], whole[:4] + b"\xff" * 40 + whole[44:]):
        path.write_bytes(data)
        assert extracts.load(path) is None
    path.unlink()
    assert extracts.load(path) is None


def test_an_extract_is_plain_parquet_with_instants_in_utc(tmp_path, make):
    extract, _ = make(gzip.compress(GOOD))
    schema = pq.ParquetFile(tmp_path / "extracts" / extract.name).schema
    assert str(schema.column(2).logical_type).startswith("Timestamp(isAdjustedToUTC=true, timeUnit=milliseconds")
    rows = pq.read_table(io.BytesIO((tmp_path / "extracts" / extract.name).read_bytes())).to_pylist()
    assert json.dumps(rows, default=str) == json.dumps(
        [
            {
                "client_id": "amp-1",
                "landing_page_path": "/article/101/alpha/",
                "activity_time": "2026-03-10 11:00:00+00:00",
            }
        ]
    )


def test_many_short_members_take_no_longer_than_a_long_one():
    began = time.process_time()
    parts = list(inflate(gzip.compress(GOOD) * 20_000, 1 << 20))
    assert parts == [GOOD, b""] * 20_000
    assert time.process_time() - began < 3


def test_enriched_events_of_members_without_a_final_newline(tmp_path):
    fields = {4: "2026-03-10 12:00:00", 16: "r", 34: "river.example", 36: "/a/"}
    line = "\t".join(fields.get(number, "") for number in range(1, 132)).encode()
    other = line.replace(b"river.example", b"other.example")
    (tmp_path / "object.gz").write_bytes(gzip.compress(line) + gzip.compress(line + b"\nbad\n" + other))
    hosts = Hosts(["river.example"], "tsv")
    extract = extracts.make(tmp_path / "object.gz", f"{DAY}/{'0' * 32}", tmp_path / "extracts", hosts)
    assert extract is not None
    assert (*counts(extract), extract.foreign) == (2, 4, 1, 0, 1)


def test_another_format_is_another_extract():
    stored = StoredObject("a.gz", 10, 1.0)
    keys = {extracts.key_of(name(), stored, Hosts(["x"], each)) for each in ("amp", "json", "tsv")}
    assert len(keys) == 3
    assert extracts.key_of(name(), stored, Hosts(["x"])) in keys
