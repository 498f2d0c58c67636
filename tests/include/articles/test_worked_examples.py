"""The steps on cases that a reader can do in the head, or with a pocket calculator."""

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from include.articles.events.records import EVENT_ACTION, EVENT_CATEGORY
from include.articles.interactions.dwell import build_interactions, fix_dtypes, time_activities
from include.articles.interactions.filters import (
    filter_activities,
    filter_articles,
    filter_emailnewsletter,
    filter_flyby_users,
)
from include.articles.interactions.identity import add_external_ids, join_articles
from include.articles.models.matrix import aggregate_times, scale_matrix
from include.articles.models.popularity import calculate_defaults, rank_defaults
from include.articles.models.ranking import rank_recommendations
from include.articles.models.training import train_model
from include.articles.models.weights import get_weights
from include.articles.sites.adapters import adapter_of
from tests.include.articles.chain import ARTICLES, EXAMPLE, RUN_AT, SITE, A, B, events, published

HALF_LIFE = 59.631698
ADAPTER = adapter_of(SITE)
SCALED = [[0.983559, 0.713697, 0], [1, 1, 0], [0, 0.798334, 0.717767], [0.629530, 0, 1]]


def ages(days: dict[str, float]) -> pd.Series:
    return published(days).set_index("external_id")["published_at"]


def lists(found: pd.DataFrame) -> dict[str, list[tuple[str, float]]]:
    """Return source → (target, score) in the order of ranks."""
    assert (found["rank"] == found.groupby("source").cumcount() + 1).all()
    return {
        str(source): list(zip(rows["target"], rows["score"], strict=True)) for source, rows in found.groupby("source")
    }


@pytest.fixture(scope="module")
def core() -> pd.DataFrame:
    """Events that the first filters leave."""
    found = filter_articles(add_external_ids(filter_emailnewsletter(events(EXAMPLE)), ADAPTER))
    return join_articles(found, ARTICLES)


@pytest.fixture(scope="module")
def interactions(core) -> pd.DataFrame:
    return build_interactions(filter_articles(filter_activities(time_activities(fix_dtypes(core)))))


def test_rows_step_by_step():
    found = events(EXAMPLE)
    counts = [len(found)]
    for step in (
        filter_emailnewsletter,
        lambda rows: add_external_ids(rows, ADAPTER),
        filter_articles,
        lambda rows: filter_articles(join_articles(rows, ARTICLES)),
        lambda rows: time_activities(fix_dtypes(rows)),
        filter_activities,
        filter_articles,
    ):
        found = step(found)
        counts.append(len(found))
    assert counts == [37, 34, 32, 26, 26, 15, 11, 11]


def test_who_is_left(core, interactions):
    assert sorted(core["client_id"].unique()) == ["u1", "u2", "u3", "u4", "u7"]
    assert sorted(core["external_id"].unique()) == ["101", "102", "103"]
    assert list(interactions["client_id"].cat.categories) == ["u1", "u2", "u3", "u4"]


def test_interactions(interactions):
    expected = [
        ("u1", "101", "2026-03-09", 600, "2026-03-09 08:02:00"),
        ("u1", "102", "2026-03-09", 30, "2026-03-09 08:02:10"),
        ("u2", "101", "2026-03-10", 660, "2026-03-10 09:20:00"),  # 600, and 60 under the alias
        ("u2", "102", "2026-03-10", 120, "2026-03-10 09:10:00"),
        ("u3", "102", "2026-03-10", 45, "2026-03-10 10:00:00"),
        ("u3", "103", "2026-03-10", 30, "2026-03-10 10:01:00"),
        ("u4", "101", "2026-03-08", 60, "2026-03-08 23:59:30"),
        ("u4", "103", "2026-03-09", 120, "2026-03-09 00:01:00"),
    ]
    found = [
        (row.client_id, row.external_id, f"{row.session_date:%Y-%m-%d}", row.dwell_seconds, row.last_activity_time)
        for row in interactions.itertuples()
    ]
    assert found == [(*row[:4], pd.Timestamp(row[4], tz="UTC")) for row in expected]
    assert interactions["article_id"].tolist() == [1, 2, 1, 2, 2, 3, 1, 3]
    assert (
        interactions["published_at"].to_numpy()
        == ages({"101": 5, "102": 10, "103": 0.5})[interactions["external_id"]].to_numpy()
    ).all()


def test_defaults_fall_back_to_the_mean_when_nothing_is_sure(interactions):
    found = calculate_defaults(interactions).set_index("external_id")
    np.testing.assert_allclose(found["lcb"], [-117.10, -16.29, -209.12], atol=0.005)
    assert found["basis"].tolist() == found["mean"].tolist() == [440, 65, 75]
    weights = get_weights(ages({"101": 5, "102": 10, "103": 0.5}), RUN_AT, 10)
    ranked = rank_defaults(found.reset_index(), weights, 20)
    assert ranked["target"].tolist() == ["101", "103", "102"]
    assert ranked["score"].tolist() == [1, 0.232848, 0.104459]


def test_matrix(interactions):
    readers, articles, found = aggregate_times(interactions, RUN_AT.date(), HALF_LIFE)
    assert readers.tolist() == ["u1", "u2", "u3", "u4"]
    assert articles.tolist() == ["101", "102", "103"]
    assert found.nnz == 8
    expected = [[593.066095, 29.653305, 0], [660, 120, 0], [0, 45, 30], [58.621232, 0, 118.613219]]
    np.testing.assert_allclose(found.toarray(), expected, atol=5e-7)
    np.testing.assert_allclose(scale_matrix(found).toarray(), SCALED, atol=5e-7)
    _, _, undecayed = aggregate_times(interactions, RUN_AT.date(), float("inf"))
    assert undecayed.toarray()[3].tolist() == [60, 0, 120]


@pytest.mark.parametrize(
    ("epochs", "readers", "articles"),
    [
        (
            1,
            [[0.321873, 0.276504], [0.316458, 0.316458], [0.150669, 0.558132], [0.553649, 0.167803]],
            [[0.601597, 0.358650], [0.363383, 0.584497], [0.371845, 0.356612]],
        ),
        (
            2,
            [[0.424610, 0.401637], [0.436842, 0.429291], [0.296249, 0.432479], [0.445322, 0.297035]],
            [[0.562714, 0.462516], [0.467528, 0.543745], [0.346176, 0.330428]],
        ),
    ],
)
def test_vectors(interactions, epochs, readers, articles):
    scaled = scale_matrix(aggregate_times(interactions, RUN_AT.date(), HALF_LIFE)[2])
    first = np.array([[1.0, 0], [0, 1], [1, 1]])
    found = train_model(scaled, 2, 2.319952, epochs, 42, first)
    np.testing.assert_allclose(found[0], readers, atol=1e-6)
    np.testing.assert_allclose(found[1], articles, atol=1e-6)
    assert first.tolist() == [[1, 0], [0, 1], [1, 1]]  # left as they were


def test_lists(interactions):
    _, articles, found = aggregate_times(interactions, RUN_AT.date(), HALF_LIFE)
    _, vectors = train_model(scale_matrix(found), 2, 2.319952, 2, 42, np.array([[1.0, 0], [0, 1], [1, 1]]))
    weights = get_weights(ages({"101": 5, "102": 10, "103": 0.5}), RUN_AT, 10)
    np.testing.assert_allclose(weights, [0.707107, 0.5, 0.965936], atol=5e-7)
    assert lists(rank_recommendations(vectors, articles.tolist(), weights.to_numpy(), 20)) == {
        "101": [("103", 0.963282), ("102", 0.492567)],
        "102": [("103", 0.961255), ("101", 0.696594)],
        "103": [("101", 0.705164), ("102", 0.497577)],
    }


def test_defaults_that_are_sure_of_their_readers():
    dwell = {"201": [100, 110, 120, 130], "202": [300, 20, 400, 10], "203": [90, 90], "204": [500]}
    rows = [(article, f"u{number}", seconds) for article, all_ in dwell.items() for number, seconds in enumerate(all_)]
    found = pd.DataFrame(rows, columns=["external_id", "client_id", "dwell_seconds"])
    found = calculate_defaults(found.assign(last_activity_time=pd.Timestamp(RUN_AT)))
    assert found["external_id"].tolist() == ["201", "202", "203", "204"]
    assert found["n"].tolist() == [4, 4, 2, 1]
    assert found["mean"].tolist() == [115, 182.5, 90, 500]
    np.testing.assert_allclose(found["sd"], [12.909944, 197.716126, 0, np.nan], atol=5e-7)
    np.testing.assert_allclose(found["lcb"], [99.809104, -50.148951, 90, np.nan], atol=5e-7)
    np.testing.assert_allclose(found["basis"], [99.809104, np.nan, 90, np.nan], atol=5e-7)
    t = (found["mean"] - found["lcb"]) * np.sqrt(found["n"]) / found["sd"]
    np.testing.assert_allclose(t[:2], 2.353363, atol=5e-7)
    weights = get_weights(ages({"201": 10, "202": 0, "203": 5, "204": 0}), RUN_AT, 10)
    np.testing.assert_allclose(weights, [0.5, 1, 0.707107, 1], atol=5e-7)
    raw = found.set_index("external_id")["basis"] * weights
    np.testing.assert_allclose(raw[["203", "201"]], [63.639610, 49.904552], atol=5e-7)
    ranked = rank_defaults(found, weights, 20)
    assert ranked.to_dict("list") == {"target": ["203", "201"], "rank": [1, 2], "score": [1, 0.784174]}
    assert rank_defaults(found, weights, 1)["target"].tolist() == ["203"]


def test_two_readers_stand_on_one_degree_of_freedom():
    rows = pd.DataFrame({"external_id": "1", "client_id": ["a", "b"], "dwell_seconds": [99.0, 101.0]})
    found = calculate_defaults(rows.assign(last_activity_time=pd.Timestamp(RUN_AT)))
    assert found["lcb"][0] == pytest.approx(100 - 6.313752, abs=5e-7)


def test_lists_with_vectors_of_every_kind():
    vectors = np.array([[1, 0], [3, 4], [0, 2], [-1, 0], [0, 0]])
    weights = get_weights(ages({"1": 0, "2": 10, "3": 20, "4": 5, "5": 1}), RUN_AT, 10)
    assert lists(rank_recommendations(vectors, list("12345"), weights.tolist(), 3)) == {
        "1": [("2", 0.3), ("3", 0), ("5", 0)],
        "2": [("1", 0.6), ("3", 0.2), ("5", 0)],
        "3": [("2", 0.4), ("1", 0), ("4", 0)],
        "4": [("3", 0), ("5", 0), ("2", 0)],
        "5": [("1", 0), ("2", 0), ("3", 0)],
    }


@pytest.mark.parametrize(
    ("age", "half_life", "weight"),
    [
        (0, 1, 1),
        (-3, 10, 1),
        (5, 10, 0.707107),
        (10, 10, 0.5),
        (20, 10, 0.25),
        (100, 10, 0.000977),
        (30, 30, 0.5),
        (1e4, float("inf"), 1),
    ],
)
def test_weights(age, half_life, weight):
    assert get_weights(ages({"1": age}), RUN_AT, half_life).round(6).to_dict() == {"1": weight}


def test_an_article_without_publication_time_has_no_weight():
    times = pd.Series([pd.NaT, pd.Timestamp(RUN_AT)], index=["1", "2"])
    weights = get_weights(times, RUN_AT, 10)
    assert weights.isna().tolist() == [True, False]
    dwell = pd.DataFrame({"external_id": ["1", "2"], "basis": [9.0, 1.0]})
    assert rank_defaults(dwell, weights, 5)["target"].tolist() == ["2"]


def test_equal_defaults_are_in_the_order_of_text():
    dwell = pd.DataFrame({"external_id": ["9", "2", "10", "1"], "basis": [5.0, 5, 5, 4]})
    ranked = rank_defaults(dwell, pd.Series(1.0, index=["1", "2", "9", "10"]), 20)
    assert ranked["target"].tolist() == ["10", "2", "9", "1"]
    assert ranked["score"].tolist() == [1, 1, 1, 0.8]


@pytest.mark.parametrize("half_life", [0, -1, float("nan")])
def test_a_half_life_has_to_be_above_zero(half_life):
    with pytest.raises(ValueError, match="above 0"):
        get_weights(ages({"1": 1}), RUN_AT, half_life)


def test_the_core_of_readers_and_articles():
    read = {"u1": "ab", "u2": "bc", "u3": "cd", "u4": "d", "u5": "ab"}
    found = pd.DataFrame([pair for client in read for pair in ((client, article) for article in read[client])])
    found.columns = ["client_id", "external_id"]
    assert filter_flyby_users(found)["client_id"].unique().tolist() == ["u1", "u2", "u3", "u5"]
    left = filter_articles(found)
    assert sorted(left["client_id"].unique()) == ["u1", "u5"]
    assert sorted(left["external_id"].unique()) == ["a", "b"]
    assert filter_articles(found, min_readers=3).empty


def test_two_pings_on_one_page_are_one_article():
    found = pd.DataFrame({"client_id": list("aabb"), "external_id": list("xxxy")})
    assert filter_flyby_users(found)["client_id"].tolist() == ["b", "b"]


def visits(path: str, *seconds: float, client: str = "u1", begin: datetime = RUN_AT - timedelta(hours=6)) -> list:
    return [(client, path, begin + timedelta(seconds=each)) for each in seconds]


def timed(rows: list) -> pd.DataFrame:
    return time_activities(fix_dtypes(add_external_ids(events(rows), ADAPTER)))


@pytest.mark.parametrize(
    ("gap", "stays"), [(600, True), (600.001, False), (599.999, True), (0.001, True), (0, False), (3600, False)]
)
def test_a_gap_of_ten_minutes_is_reading_and_of_zero_is_nothing(gap, stays):
    found = timed(visits(A, 0, gap))
    assert found["duration"].tolist() == [gap]
    assert len(filter_activities(found, 600, 0)) == stays


@pytest.mark.parametrize(("seconds", "stays"), [(60, True), (59.999, False), (60.001, True)])
def test_a_reader_of_one_minute_stays(seconds, stays):
    found = timed(visits(A, 0, 40) + visits(B, 0, seconds - 40) + visits(B, 0, 700, client="idle"))
    assert set(filter_activities(found)["client_id"]) == ({"u1"} if stays else set())


def test_sums_of_tenths_reach_the_minute():
    found = timed(visits(A, *(number / 10 for number in range(601))))
    assert len(filter_activities(found)) == 600  # 600 times 0.1 as floats is less than 60


def test_a_gap_across_midnight_belongs_to_the_earlier_date():
    midnight = datetime.fromisoformat("2026-03-09T00:00:00Z")
    found = build_interactions(timed(visits(A, -0.001, 30, 40, begin=midnight)))
    assert found["session_date"].dt.date.tolist() == [date(2026, 3, 8), date(2026, 3, 9)]
    assert found["dwell_seconds"].tolist() == [30.001, 10]
    assert found["last_activity_time"].tolist() == [midnight - timedelta(milliseconds=1), midnight.replace(second=30)]


def test_pings_a_minute_apart_add_up():
    found = build_interactions(filter_activities(timed(visits(A, *range(0, 13 * 60, 60)))))
    assert found["dwell_seconds"].tolist() == [720]


def test_a_page_visited_in_between_does_not_end_the_time_on_a_page():
    found = timed(visits(A, 0, 60) + visits(B, 10, 20))
    assert dict(zip(found["external_id"], found["duration"], strict=True)) == {"101": 60, "102": 10}


def test_types_are_given_once_and_for_all():
    raw = pd.DataFrame(
        {
            "event_category": [None, "page_view"],
            "event_action": [None, None],
            "session_date": ["2026-03-09", "2026-03-10"],
            "activity_time": ["2026-03-09T08:00:00.123Z", "2026-03-10T01:00:00+02:00"],
        }
    )
    found = fix_dtypes(raw)
    assert found["event_category"].tolist() == [EVENT_CATEGORY, "page_view"]
    assert found["event_action"].tolist() == [EVENT_ACTION] * 2
    assert found["session_date"].tolist() == [pd.Timestamp("2026-03-09"), pd.Timestamp("2026-03-10")]
    assert found["activity_time"][0] == pd.Timestamp("2026-03-09 08:00:00.123", tz="UTC")
    assert found["activity_time"][1] == pd.Timestamp("2026-03-09 23:00", tz="UTC")
    pd.testing.assert_frame_equal(fix_dtypes(found), found)


def test_only_the_latest_interactions_count_for_defaults():
    times = pd.to_datetime(["2026-03-09", "2026-03-10", "2026-03-10", "2026-03-10"], utc=True)
    rows = pd.DataFrame({"external_id": list("1223"), "client_id": list("aabb"), "dwell_seconds": [5.0, 6, 7, 8]})
    rows = rows.assign(last_activity_time=times)
    assert calculate_defaults(rows, 4)["n"].tolist() == [1, 2, 1]
    assert calculate_defaults(rows, 3)["external_id"].tolist() == ["2", "3"]
    found = calculate_defaults(rows[::-1], 2)  # equally late ones: by reader, then article
    assert found[["external_id", "n"]].to_numpy().tolist() == [["2", 2]]
