"""Division of a time range into windows."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.audience.source.windows import Span, Windows, batches, stretches

START = datetime(2020, 1, 1)


def windows(hours: float, length: int = 6) -> Windows:
    return Windows(START, START + timedelta(hours=hours), length)


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


@pytest.mark.parametrize(
    ("hours", "count"),
    [(12, 2), (5, 1), (6, 1), (1 / 3600, 1), (6 + 1 / 3600, 2), (18 - 1 / 3600, 3), (24 * 366, 1_464), (24 * 7, 28)],
)
def test_how_many_there_are(hours, count):
    assert len(windows(hours)) == count


def test_the_length_can_be_chosen():
    assert len(windows(24, 1)) == 24
    assert len(windows(24, 24)) == 1
    assert len(windows(25, 24)) == 2


def test_all_are_open_at_their_end_but_the_last():
    cut = windows(14)
    assert [cut.span((number, number)) for number in range(3)] == [
        Span(hour(0), hour(6)),
        Span(hour(6), hour(12)),
        Span(hour(12), hour(14), closed=True),
    ]


def test_consecutive_ones_have_one_span():
    cut = windows(24)
    assert cut.span((0, 1)) == Span(hour(0), hour(12))
    assert cut.span((1, 3)) == Span(hour(6), hour(24), closed=True)


def test_a_range_shorter_than_a_window_is_one():
    assert windows(5).span((0, 0)) == Span(hour(0), hour(5), closed=True)


def test_the_end_of_the_range_is_in_the_last_window():
    times = np.array([hour(each) for each in (0, 5.9, 6, 11, 12)], dtype="datetime64[s]")
    assert windows(12).numbers(times).tolist() == [0, 0, 1, 1, 1]
    assert windows(12.5).numbers(times).tolist() == [0, 0, 1, 1, 2]


def test_a_start_at_any_second_shifts_all_boundaries():
    cut = Windows(datetime(2019, 12, 31, 23, 59, 59), datetime(2020, 1, 1, 12), 6)
    assert cut.begin(1) == datetime(2020, 1, 1, 5, 59, 59)
    times = np.array(["2020-01-01T05:59:58", "2020-01-01T05:59:59"], dtype="datetime64[s]")
    assert cut.numbers(times).tolist() == [0, 1]
    assert len(cut) == 3


@given(st.integers(1, 200_000), st.integers(1, 30), st.data())
def test_each_moment_is_in_the_span_of_its_window_only(seconds, length, data):
    cut = windows(seconds / 3600, length)
    moment = START + timedelta(seconds=data.draw(st.integers(0, seconds)))
    number = cut.numbers(np.array([moment], dtype="datetime64[s]"))[0]
    spans = [cut.span((each, each)) for each in range(len(cut))]
    assert [
        each
        for each, span in enumerate(spans)
        if span.first <= moment and (moment <= span.last if span.closed else moment < span.last)
    ] == [number]


def test_a_stretch_ends_with_the_window_in_which_it_is_full():
    rows = {0: 2, 1: 2, 2: 9, 5: 1}  # windows 3, 4 and 6 are empty and count as one row each
    assert list(stretches((0, 6), rows, 4)) == [(0, 1), (2, 2), (3, 6)]
    assert list(stretches((3, 6), rows, 2)) == [(3, 4), (5, 6)]


def test_with_one_row_a_batch_each_window_is_one():
    assert batches(4, {}, 1, 32) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert batches(4, {1: 500}, 1, 4) == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_too_many_batches_are_made_bigger():
    assert batches(4, {}, 1, 2) == [(0, 1), (2, 3)]
    assert batches(1_464, {}, 300_000, 32) == [(0, 1_463)]
    assert len(batches(1_464, dict.fromkeys(range(1_464), 50_000), 300_000, 32)) == 32


ROWS = st.dictionaries(st.integers(0, 60), st.integers(1, 1_000))


@given(st.integers(1, 61), ROWS, st.integers(1, 2_000), st.integers(1, 40), st.integers(1, 500))
def test_batches_and_their_stretches_have_each_window_once_in_order(count, rows, limit, most, stretch):
    rows = {window: number for window, number in rows.items() if window < count}
    cut = batches(count, rows, limit, most)
    assert 1 <= len(cut) <= most
    parts = [part for batch in cut for part in stretches(batch, rows, stretch)]
    assert [number for first, last in parts for number in range(first, last + 1)] == list(range(count))
    for first, last in parts[:-1]:
        before_last = sum(max(1, rows.get(window, 0)) for window in range(first, last))
        assert before_last < stretch
