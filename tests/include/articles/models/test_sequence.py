"""What readers open next."""

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.articles.models import sequence
from include.articles.models.sequence import (
    MINUTE_MICROS,
    Readings,
    Sessions,
    count_followers,
    cut_sessions,
    latest_sessions,
    recent_popularity,
)


def readings(*rows: tuple[int, int, float], run_at: float = 0) -> Readings:
    """Build readings from reader, article and minute."""
    readers, articles, minutes = (np.array(column) for column in zip(*rows, strict=True))
    micros = np.round(minutes * MINUTE_MICROS).astype(np.int64)
    return Readings(readers, articles, micros, round(run_at * MINUTE_MICROS))


def sessions(*rows: tuple[int, int, float]) -> Sessions:
    """Build sessions from number, article and age in hours."""
    numbers, articles, age = (np.array(column) for column in zip(*rows, strict=True))
    return Sessions(numbers, articles, age.astype(float))


def test_a_pause_and_another_reader_begin_a_session():
    found = cut_sessions(readings((1, 0, 0), (1, 1, 30), (1, 2, 60.1), (2, 3, 60.2), run_at=120), 30)
    assert found.numbers.tolist() == [1, 1, 2, 3]
    assert found.articles.tolist() == [0, 1, 2, 3]
    assert found.age_hours.tolist() == pytest.approx([2, 1.5, 59.9 / 60, 59.8 / 60])


def test_an_article_counts_once_in_a_session():
    found = cut_sessions(readings((1, 0, 0), (1, 1, 1), (1, 0, 2), (1, 0, 99), run_at=99), 30)
    assert list(zip(found.numbers, found.articles, strict=True)) == [(1, 0), (1, 1), (2, 0)]


def test_what_is_later_counts_less_the_further_it_is():
    found = count_followers(sessions((1, 0, 3), (1, 1, 2), (1, 2, 1), (2, 1, 3), (2, 0, 2)), np.ones(5), 3, 2)
    assert found.toarray() == pytest.approx(np.array([[0, 1, exp(-0.5)], [1, 0, 1], [0, 0, 0]]))


def test_what_was_opened_at_once_has_no_order():
    assert count_followers(sessions((1, 0, 3), (1, 1, 3)), np.ones(2), 2, 2).nnz == 0


def test_a_session_counts_less_the_older_it_is(monkeypatch):
    monkeypatch.setattr(sequence, "MIN_SESSIONS", 1)
    found = latest_sessions(sessions((1, 0, 0), (2, 0, 3), (3, 0, 6), (4, 1, 3)), 2, 2, 3)
    assert found == pytest.approx([1, exp(-1), 0, exp(-1)])


def test_where_little_is_read_old_sessions_count():
    found = latest_sessions(sessions((1, 0, 100), (2, 0, 300)), 1, 500, 3)
    assert found == pytest.approx([exp(-1 / 3), exp(-1)])


def test_popular_is_what_is_read_now(monkeypatch):
    monkeypatch.setattr(sequence, "MIN_READINGS", 1)
    now = [(number, 0, 0.0) for number in range(30)]
    found = recent_popularity(sessions((90, 1, 5), (91, 1, 5), *now), 2, 0.5)
    assert found.argmax() == 0
    assert found[0] == pytest.approx(0.5**0 * 30 / (30 + 2 * 0.5**10) / (4 * 30 / 32), rel=0.01)


def test_in_quiet_hours_popularity_counts_less(monkeypatch):
    monkeypatch.setattr(sequence, "MIN_READINGS", 1)
    busy = [(number, number % 3, 20 - number / 100) for number in range(1000)]
    quiet = sessions(*busy, (2000, 0, 0.0))
    assert recent_popularity(quiet, 3, 0.5).sum() < 0.1
    usual = 1001 / 20 * 0.5 / log(2)
    assert recent_popularity(quiet, 3, 0.5).sum() <= 1 / usual


def test_without_a_common_favourite_nothing_is_popular():
    wide = sessions(*[(number, number, 1.0) for number in range(1000)])
    narrow = sessions(*[(number, number % 5, 1.0) for number in range(1000)])
    assert recent_popularity(wide, 1000, 0.5).sum() < 1e-4 < recent_popularity(narrow, 5, 0.5).sum()


def test_without_readings_nothing_is_popular():
    nobody = np.zeros(0, np.int64)
    assert recent_popularity(cut_sessions(Readings(nobody, nobody, nobody, 0), 30), 3, 0.5).tolist() == [0, 0, 0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 200)), min_size=1, max_size=40))
def test_counts_are_those_of_comparing_each_with_each(rows):
    rows = sorted(set(rows))
    rows = sorted(rows, key=lambda row: (row[0], row[2], row[1]))
    found = cut_sessions(readings(*rows, run_at=300), 30)
    weights = latest_sessions(found, 5, 3, 3)
    expected = np.zeros((5, 5))
    places: dict[int, int] = {}
    each = list(zip(found.numbers.tolist(), found.articles.tolist(), found.age_hours, weights, strict=True))
    for place, (number, *_) in enumerate(each):
        places.setdefault(number, place)
    for one, (number, source, age, weight) in enumerate(each):
        for two, (other, target, later, _) in enumerate(each):
            if number == other and 0 < two - one <= sequence.STEPS and later < age:
                expected[source, target] += weight * exp(-(two - one - 1) / 2)
    assert count_followers(found, weights, 5, 2).toarray() == pytest.approx(expected)
    shares = recent_popularity(found, 5, 0.5)
    assert (shares >= 0).all()
    assert shares.sum() <= 1 + 1e-9
