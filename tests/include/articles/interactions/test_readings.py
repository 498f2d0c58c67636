"""Who opened which article when."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from include.articles.interactions.readings import code_readings, find_readings

NOON = pd.Timestamp("2026-03-10T12:00:00Z")


def events(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """Build events from reader, article and minute."""
    found = pd.DataFrame(rows, columns=["client_id", "external_id", "minute"])
    minutes = pd.to_timedelta(found.pop("minute").astype(float), unit="min")
    found["activity_time"] = pd.Series(NOON + minutes, dtype="datetime64[us, UTC]")
    return found.astype({"client_id": "str", "external_id": "str"})


def plain(readings: pd.DataFrame) -> list[tuple[str, str, float]]:
    minutes = (readings["read_at"] - NOON).dt.total_seconds() / 60
    return list(zip(readings["client_id"], readings["external_id"], minutes, strict=True))


def test_pings_of_one_article_are_one_reading_until_a_pause():
    found = find_readings(events(("r", "a", 0), ("r", "a", 10), ("r", "b", 11), ("r", "a", 12), ("r", "a", 43)))
    assert plain(found) == [("r", "a", 0), ("r", "b", 11), ("r", "a", 12), ("r", "a", 43)]


def test_readings_are_in_the_order_of_readers_and_times():
    found = find_readings(events(("z", "a", 0), ("a", "b", 9), ("a", "a", 1)))
    assert plain(found) == [("a", "a", 1), ("a", "b", 9), ("z", "a", 0)]


def test_no_events_are_no_readings():
    assert plain(find_readings(events())) == []


@given(st.lists(st.tuples(st.sampled_from("rs"), st.sampled_from("ab"), st.integers(0, 99))), st.randoms())
def test_neither_order_nor_repetition_of_events_matters(rows, random):
    again = rows + rows[:3]
    random.shuffle(again)
    assert plain(find_readings(events(*again))) == plain(find_readings(events(*rows)))


def test_readings_become_positions_of_the_articles():
    found = find_readings(events(("s", "b", 0), ("r", "gone", 1), ("r", "a", 2)))
    readers, articles, micros = code_readings(found, np.array(["a", "b"], dtype=object))
    assert articles.tolist() == [0, 1]
    assert len(set(readers.tolist())) == 2
    assert micros.tolist() == [int(NOON.timestamp() + 120) * 10**6, int(NOON.timestamp()) * 10**6]
