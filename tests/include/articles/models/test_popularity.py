"""The defaults."""

from math import sqrt

import numpy as np
import pandas as pd
import pytest

from include.articles.models.popularity import calculate_defaults, rank_defaults
from include.articles.models.weights import get_weights
from tests.include.articles.archive import RUN_AT

NOW = pd.Timestamp(RUN_AT)


def interactions(rows):
    """Build interactions of (reader, article, date, seconds, last activity in seconds)."""
    found = pd.DataFrame(list(rows), columns=["client_id", "external_id", "session_date", "dwell_seconds", "last"])
    return pd.DataFrame(
        {
            "client_id": found["client_id"].astype("str"),
            "external_id": found["external_id"].astype("str"),
            "session_date": pd.Timestamp("2026-03-01") + pd.to_timedelta(found["session_date"].astype(int), unit="D"),
            "dwell_seconds": found["dwell_seconds"].astype(float),
            "last_activity_time": NOW - pd.to_timedelta(found["last"].astype(float), unit="s"),
        }
    )


def of_dwell(dwell):
    """Build interactions from each article's dwell, reader by reader."""
    return interactions(
        (f"u{number}", article, 0, seconds, number)
        for article, all_seconds in dwell.items()
        for number, seconds in enumerate(all_seconds)
    )


def weights(days_ago, half_life_days=10):
    return get_weights(NOW - pd.to_timedelta(pd.Series(days_ago), unit="D"), RUN_AT, half_life_days)


def test_a_pageview_is_a_reader_on_an_article_whatever_the_date():
    rows = [("u", "1", 0, 10, 9), ("u", "1", 1, 20, 8), ("v", "1", 0, 40, 7)]
    [found] = calculate_defaults(interactions(rows)).to_dict("records")
    assert (found["n"], found["mean"], found["sd"]) == (2, 35, pytest.approx(sqrt(50)))


def test_of_equally_late_ones_the_first_reader_counts_then_the_first_article():
    rows = [("v", "1", 0, 1, 5), ("u", "2", 0, 2, 5), ("u", "10", 0, 3, 5), ("u", "3", 0, 4, 5)]
    assert calculate_defaults(interactions(rows), 1)["external_id"].tolist() == ["10"]
    assert calculate_defaults(interactions(rows), 2)["external_id"].tolist() == ["10", "2"]
    assert calculate_defaults(interactions(rows), 3)["external_id"].tolist() == ["10", "2", "3"]


def test_more_confidence_asks_for_more():
    bounds = [
        calculate_defaults(of_dwell({"1": [50, 60, 70]}), confidence=level)["lcb"][0] for level in (0.5, 0.9, 0.99)
    ]
    assert bounds[0] == pytest.approx(60)
    assert bounds == sorted(bounds, reverse=True)


def test_of_equal_ones_the_first_by_text_comes_first():
    found = calculate_defaults(of_dwell({"9": [50, 50], "10": [50, 50], "1": [50, 50]}))
    ranked = rank_defaults(found, weights({"1": 1, "9": 1, "10": 1}), 2)
    assert ranked["target"].tolist() == ["1", "10"]
    assert ranked["score"].tolist() == [1, 1]


def test_an_article_without_weight_is_no_candidate():
    found = calculate_defaults(of_dwell({"1": [50, 50], "2": [90, 90], "3": [80, 80]}))
    ranked = rank_defaults(found, pd.Series({"1": 0.5, "2": np.nan}), 20)
    assert ranked.to_dict("list") == {"target": ["1"], "rank": [1], "score": [1.0]}


def test_where_nothing_weighs_anything_all_score_zero():
    ranked = rank_defaults(
        calculate_defaults(of_dwell({"2": [50, 50], "1": [9, 9]})), pd.Series({"1": 0.0, "2": 0.0}), 20
    )
    assert ranked["target"].tolist() == ["1", "2"]
    assert ranked["score"].tolist() == [0, 0]
