"""Rows as users send them."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.errors import BadDataError
from include.ratings.data.rows import (
    Pair,
    Rating,
    normalised,
    parse_all,
    parse_file,
    parse_pair,
    parse_rating,
)
from include.ratings.errors import BadRowsError


def test_a_rating_is_read():
    assert parse_rating("244 346 2 880606923") == Rating("244", "346", 2.0, 880606923)


@pytest.mark.parametrize("stars", ["1", "5", "3.5", "4.0", "1.000"])
def test_ratings_within_the_scale_are_accepted(stars):
    assert parse_rating(f"u m {stars} 0").stars == float(stars)


@pytest.mark.parametrize(
    "stars",
    ["x", "nan", "NaN", "inf", "1e400", "1e0", "0", "5.5", "-1", "+3", "9", "0.999", "5.0001", ".5", "3.", "٣", "1_0"],
)
def test_anything_but_a_plain_number_from_1_to_5_is_refused(stars):
    with pytest.raises(BadDataError, match="rating: "):
        parse_rating(f"u m {stars} 0")


@pytest.mark.parametrize("timestamp", ["x", "-1", "1.5", "1e9", "9" * 19, "٣"])
def test_a_timestamp_is_a_whole_number_from_0(timestamp):
    with pytest.raises(BadDataError, match="timestamp: "):
        parse_rating(f"u m 3 {timestamp}")


@pytest.mark.parametrize("row", ["", "  ", "1", "1 2 3", "1 2 3 4 5"])
def test_the_number_of_fields_counts(row):
    with pytest.raises(BadDataError, match=r"4 fields .* were expected, found"):
        parse_rating(row)
    with pytest.raises(BadDataError, match=r"2 fields .* were expected, found"):
        parse_pair(row)


@pytest.mark.parametrize("row", ["1 2\n3 4", "1\r2", "1\0 2", "1 2\x0b", "1\u2028 2", "1 2\x85", "\x1f1 2", "1 2\x7f"])
def test_control_characters_are_refused(row):
    with pytest.raises(BadDataError, match="control"):
        parse_pair(row)


@pytest.mark.parametrize("user", ["a" * 65, "ä", "a/b", "..\\", "a,b", "\ud800", "\uff11", "é" * 40])
def test_ids_have_few_characters(user):
    with pytest.raises(BadDataError, match="user: 1 to 64 of") as caught:
        parse_pair(f"{user} 1")
    assert str(caught.value).isascii()


def test_blanks_and_tabs_do_not_matter():
    assert parse_pair(" \t244 \t 346  ") == Pair("244", "346")
    assert normalised("\t244   346 2\t88 ") == "244 346 2 88"


def test_a_no_break_space_is_no_blank():
    with pytest.raises(BadDataError):
        parse_pair("1\u00a02")


def test_all_rows_or_none_and_each_bad_one_is_named():
    with pytest.raises(BadRowsError) as caught:
        parse_all(["1 2", "x", "1 2", ""], parse_pair)
    assert [index for index, _ in caught.value.errors] == [1, 3]


def test_a_file_names_its_bad_line_from_1():
    with pytest.raises(BadDataError, match=r"^line 2: rating: "):
        parse_file(b"1 2 3 4\n1 2 9 4\n", parse_rating)


def test_a_file_needs_a_row_but_no_last_newline():
    assert parse_file(b"1 2", parse_pair) == [Pair("1", "2")]
    for empty in (b"", b"\n\n"):
        with pytest.raises(BadDataError, match="line 1"):
            parse_file(empty, parse_pair)


def test_a_file_that_is_not_text_is_refused():
    with pytest.raises(BadDataError, match=r"line 2: UTF-8 text was expected, found the byte 0xff"):
        parse_file(b"1 2\n\xff\xfe", parse_pair)


@given(st.text(max_size=40))
def test_any_text_is_either_read_or_explained(row):
    try:
        user, movie = parse_pair(row)
    except BadDataError as error:
        explained = str(error)
    else:
        explained = ""
        assert normalised(row) == f"{user} {movie}"
    assert explained.isascii()
    assert len(explained) < 200


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(b"1 1 3 1\n", mtime=0), "line 1: rows of UTF-8 text were expected, found a gzip file"),
        (b"PK\x03\x04...", "line 1: .* found a zip file"),
        (b"\xef\xbb\xbf1 1 3 1\n", "line 1: .* found a byte order mark"),
        ("1 1 3 1\n".encode("utf-16"), "line 1: .* found UTF-16 text"),
        (b"1 1 3 1\r\n1 2 3 1\r\n", r"line 1: no control characters .*'\\r' \(the lines end as those of Windows do"),
        (b"1 1 3 1\r1 2 3 1\r", r"line 1: no control characters .*'\\r' \(the lines end as those of old Macs"),
        (b"1 1 3 1\r1 2 3 1", r"line 1: no control characters .*'\\r' \(the lines end as those of old Macs"),
        (b"BZh91AY", "line 1: rows of UTF-8 text were expected, found a bzip2 file"),
        (b"PAR1", "line 1: rows of UTF-8 text were expected, found a Parquet file"),
        (b"1::1::3::1\n", r"line 1: 4 fields .*, found 1 \(the fields are separated by ::"),
        (b"1 1 3 1\n1,2,3,1\n", r"line 2: 4 fields .*, found 1 \(the fields are separated by ','"),
        (b"user movie rating timestamp\n1 1 3 1\n", r"line 1: rating: .* \(a header\? only rows are allowed\)"),
        (b"userId,movieId\n", r"line 1: .* separated by ','"),
        (b"1 1 3 1\n\n", r"line 2: 4 fields .*, found 0 \(an empty line\)"),
        (b"rubbish\n", "line 1: 4 fields .* were expected, found 1$"),
    ],
)
def test_the_likely_cause_is_named(content, reason):
    with pytest.raises(BadDataError, match=f"^{reason}"):
        parse_file(content, parse_rating)
