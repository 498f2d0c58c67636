"""Independence of the steps from the order, chunks and duplicates of events, and from the machine."""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse
from threadpoolctl import threadpool_limits

from include.articles.interactions.dwell import build_interactions, fix_dtypes, time_activities
from include.articles.interactions.filters import (
    filter_activities,
    filter_articles,
    filter_emailnewsletter,
    filter_flyby_users,
)
from include.articles.interactions.identity import add_external_ids, join_articles
from include.articles.models import ranking
from include.articles.models.matrix import aggregate_times, scale_matrix
from include.articles.models.popularity import calculate_defaults, rank_defaults
from include.articles.models.ranking import rank_recommendations
from include.articles.models.training import MODELS, OF_READINGS, train_model
from include.articles.models.vectors import Scores
from include.articles.models.weights import get_weights
from include.articles.settings import ArticleSettings
from include.articles.sites.adapters import adapter_of
from include.articles.sites.configuration import Site
from tests.include.articles.chain import (
    ALIAS,
    ARTICLES,
    EXAMPLE,
    NEWSLETTER,
    RUN_AT,
    SITE,
    A,
    B,
    C,
    D,
    Outcome,
    Row,
    events,
    follow,
    published,
)

QUICK = settings(max_examples=8, deadline=None)
OTHER = Site(name="other-post", domain="other-post.example", kind="washington_city_paper")
MODEL = st.sampled_from(sorted(MODELS))
PATHS = [A, A, B, B, C, C, D, ALIAS, f"{B}?fbclid=1", "/article/0103/charlie/", "/", NEWSLETTER, None]
TEXT = ["client_id", "landing_page_path"]


@st.composite
def archives(draw: st.DrawFn) -> list[Row]:
    """Generate rows of which some usually survive: the example's, and visits with their own pings."""
    rows = list(EXAMPLE) if draw(st.integers(0, 3)) else []
    visits = st.tuples(
        st.sampled_from(["u1", "u2", "u3", "u4", "u5", "u10"]),
        st.sampled_from(PATHS),
        st.integers(0, 60 * 3600),  # seconds before the run
        st.lists(st.sampled_from([0, 1, 999, 10_000, 59_999, 60_000, 300_001, 600_000, 600_001]), max_size=5),
    )
    for client, path, ago, gaps in draw(st.lists(visits, max_size=15)):
        at = RUN_AT - timedelta(seconds=ago)
        rows += [(client, path, at + timedelta(milliseconds=sum(gaps[:many]))) for many in range(len(gaps) + 1)]
    return rows


def assert_same(found: Outcome, expected: Outcome) -> None:
    pd.testing.assert_frame_equal(found.interactions, expected.interactions, check_exact=True)
    pd.testing.assert_frame_equal(found.dwell, expected.dwell, check_exact=True)
    pd.testing.assert_frame_equal(found.defaults, expected.defaults, check_exact=True)
    pd.testing.assert_frame_equal(found.lists, expected.lists, check_exact=True)


def test_the_archives_have_something_to_recommend():
    found = follow(events(EXAMPLE))
    assert len(found.interactions) == 8
    assert len(found.lists) == 6


@QUICK
@given(archives(), st.randoms(use_true_random=False), MODEL)
def test_the_order_of_rows_does_not_matter(rows, shuffled, model):
    found = events(rows)
    order = shuffled.sample(range(len(found)), len(found))
    assert_same(follow(found.iloc[order], model=model), follow(found, model=model))


@QUICK
@given(archives(), st.lists(st.integers(0, 60), max_size=6), st.randoms(use_true_random=False))
def test_the_pieces_that_events_come_in_do_not_matter(rows, cuts, shuffled):
    whole = follow(events(rows))
    bounds = [0, *sorted(cuts), len(rows) + 60]
    pieces = [events(rows[begin:end]) for begin, end in itertools.pairwise(bounds)]
    shuffled.shuffle(pieces)
    assert_same(follow(pd.concat(pieces)), whole)  # their index repeats itself


@QUICK
@given(archives().filter(bool), st.data())
def test_events_that_come_twice_do_not_matter(rows, data):
    again = data.draw(st.lists(st.sampled_from(rows), min_size=1, max_size=9))
    once = follow(events(rows))
    assert_same(follow(events([*rows, *again])), once)
    assert_same(follow(events(rows * 2)), once)


@QUICK
@given(archives(), st.randoms(use_true_random=False), MODEL)
def test_text_may_be_categories(rows, shuffled, model):
    found = events(rows)
    coded = found.copy()
    for column in TEXT:
        values = [*found[column].dropna().unique(), "never seen"]
        shuffled.shuffle(values)
        coded[column] = pd.Categorical(found[column], categories=values)
    plain = follow(found, model=model)
    assert_same(follow(coded, model=model), plain)
    assert_same(follow(found.astype(dict.fromkeys(TEXT, object)), model=model), plain)


@pytest.fixture
def machine_in(monkeypatch) -> Iterator[Callable[[str], None]]:
    """Set another time zone for this machine."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


def test_the_machines_time_zone_does_not_matter(machine_in):
    midnight = RUN_AT.replace(hour=0)
    rows = [*EXAMPLE, *((client, A, midnight + timedelta(seconds=at)) for client in ("u1", "u2") for at in (-30, 0, 9))]
    machine_in("UTC")
    expected = follow(events(rows))
    for zone in ("America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kathmandu"):
        machine_in(zone)
        assert time.tzname != ("UTC", "UTC")
        assert_same(follow(events(rows)), expected)


@QUICK
@given(archives())
def test_sites_with_equal_ids_do_not_meet(rows):
    mine = follow(events(rows))
    other_articles = published({"101": 300, "102": 1, "103": 2})
    theirs = follow(events(rows), other_articles, site=OTHER)
    foreign = [
        (client, f"/{cache}/s/{OTHER.domain}{path}", at)
        for client, path, at in rows
        for cache in "vc"
        if path and path.startswith("/article")
    ]
    assert_same(follow(events([*rows, *foreign])), mine)
    assert_same(follow(events([row for row in rows if row[1] != ALIAS]), other_articles, site=OTHER), theirs)


@QUICK
@given(archives())
def test_unknown_articles_are_as_if_they_had_never_been_read(rows):
    known = ARTICLES[ARTICLES["external_id"] != "102"]
    left = [row for row in rows if not row[1] or not row[1].startswith(B)]
    assert_same(follow(events(rows), known), follow(events(left), known))


PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=40)


@settings(max_examples=80, deadline=None)
@given(PAIRS, st.integers(1, 3), st.integers(1, 3), st.randoms(use_true_random=False))
def test_the_core_is_the_same_whatever_goes_first(pairs, min_readers, min_articles, order):
    left = set(pairs)
    while True:
        readers = [("reader", each) for each in {reader for reader, _ in left}]
        articles = [("article", each) for each in {article for _, article in left}]
        few = [
            (kind, each)
            for kind, each in readers + articles
            if (kind == "reader" and sum(reader == each for reader, _ in left) < min_articles)
            or (kind == "article" and sum(article == each for _, article in left) < min_readers)
        ]
        if not few:
            break
        kind, gone = order.choice(sorted(few))
        left = {pair for pair in left if pair[kind == "article"] != gone}
    found = pd.DataFrame(pairs, columns=["client_id", "external_id"]).astype(str)
    core = filter_articles(found, min_readers, min_articles)
    assert {(int(reader), int(article)) for reader, article in core.to_numpy()} == left
    assert core.index.tolist() == [number for number, pair in enumerate(pairs) if pair in left]
    after = filter_articles(filter_flyby_users(found, min_articles), min_readers, min_articles)
    pd.testing.assert_frame_equal(after, core)
    pd.testing.assert_frame_equal(filter_articles(core, min_readers, min_articles), core)


STEPS: list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]] = [
    ("filter_emailnewsletter", filter_emailnewsletter),
    ("add_external_ids", lambda rows: add_external_ids(rows, adapter_of(SITE))),
    ("filter_flyby_users", filter_flyby_users),
    ("filter_articles", filter_articles),
    ("join_articles", lambda rows: join_articles(rows, ARTICLES)),
    ("fix_dtypes", fix_dtypes),
    ("time_activities", time_activities),
    ("filter_activities", filter_activities),
    ("build_interactions", build_interactions),
    ("calculate_defaults", calculate_defaults),
    ("rank_defaults", lambda dwell: rank_defaults(dwell, pd.Series({"101": 1.0, "102": 1, "103": 1}), 20)),
]


@pytest.mark.parametrize("text", ["str", "category"])
def test_a_table_without_rows_gives_one_without_rows(text):
    types = {"client_id": text, "landing_page_path": text}
    rows, none = events(EXAMPLE).astype(types), events([]).astype(types)
    assert none.columns.tolist() == rows.columns.tolist()
    for name, step in STEPS:
        rows, cut, none = step(rows), step(rows[:0]), step(none)
        assert len(rows), name
        for empty in (cut, none):
            assert empty.empty, name
            assert empty.columns.tolist() == rows.columns.tolist(), name
    assert follow(events([])).lists.columns.tolist() == follow(events(EXAMPLE)).lists.columns.tolist()


@QUICK
@given(archives(), st.integers(1, 5), MODEL)
def test_every_article_has_a_full_list_of_others(rows, max_recs, model):
    found = follow(events(rows), max_recs=max_recs, model=model)
    sources = sorted(found.interactions["external_id"].astype(str).unique())
    if model in OF_READINGS:  # it has lists of articles that were only opened, too
        sources = sorted({*sources, *found.lists["source"]})
    length = min(max_recs, len(sources) - 1)
    assert found.lists["source"].tolist() == [source for source in sources for _ in range(length)]
    assert found.lists["rank"].tolist() == [*range(1, length + 1)] * len(sources)
    assert (found.lists["source"] != found.lists["target"]).all()
    assert not found.lists.duplicated(["source", "target"]).any()
    assert found.lists["score"].between(0, 1).all()
    assert len(found.defaults) == min(max_recs, found.dwell["basis"].notna().sum())
    assert found.defaults["score"].is_monotonic_decreasing
    assume(len(sources))
    assert found.defaults["score"].iloc[0] == 1


def matrix(readers: int, articles: int, seed: int = 1):
    """Build scaled dwell in which each reader has read about half and each article has a reader."""
    numbers = random.Random(seed)
    rows = [(u, i) for u in range(readers) for i in range(articles) if numbers.random() < 0.5 or u == i % readers]
    dwell = pd.DataFrame(rows, columns=["client_id", "external_id"]).map(lambda number: f"{number:04}")
    dwell = dwell.assign(dwell_seconds=[numbers.uniform(1, 900) for _ in rows], session_date=pd.Timestamp("2026-03-09"))
    return scale_matrix(aggregate_times(dwell, RUN_AT.date(), 10)[2])


def test_a_seed_gives_the_same_vectors_and_another_one_others():
    scaled = matrix(40, 12)
    first, again, other = (train_model(scaled, 6, 2.3, 2, seed) for seed in (1, 1, 2))
    for side in (0, 1):
        np.testing.assert_array_equal(first[side], again[side])
        assert not np.allclose(first[side], other[side])


@pytest.mark.parametrize("model", sorted(MODELS))
def test_the_number_of_threads_does_not_matter(model):
    scaled = matrix(300, 60)
    ids, weights = [f"{number}" for number in range(60)], np.linspace(1, 0.1, 60)
    given_ = ArticleSettings.load(factors=20)
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads):
            vectors = MODELS[model](scaled, given_)
            lists = rank_recommendations(vectors, ids, weights, 20)
        if isinstance(vectors, Scores):
            vectors = vectors.sources @ vectors.targets.T
        found.append((sparse.csr_matrix(vectors).toarray(), lists))
    for vectors, lists in found[1:]:
        np.testing.assert_array_equal(vectors, found[0][0])
        pd.testing.assert_frame_equal(lists, found[0][1], check_exact=True)


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize(("readers", "articles"), [(1, 1), (1, 2), (2, 2), (5, 1), (3, 30), (65, 64), (128, 5)])
def test_matrices_of_all_sizes(model, readers, articles):
    vectors = MODELS[model](matrix(readers, articles), ArticleSettings.load(factors=10))
    ids = [f"{number}" for number in range(articles)]
    found = rank_recommendations(vectors, ids, np.ones(articles), 20)
    assert len(found) == articles * min(20, articles - 1)
    assert found["score"].between(0, 1).all()


@pytest.mark.parametrize("block_rows", [1, 7, 63, 64, 65])
def test_the_size_of_blocks_does_not_matter(block_rows, monkeypatch):
    _, vectors = train_model(matrix(100, 64), 16, 2.3, 2, 42)
    ids, weights = [f"{number}" for number in range(64)], np.linspace(1, 0.1, 64)
    expected = rank_recommendations(vectors, ids, weights, 9)
    monkeypatch.setattr(ranking, "BLOCK_ROWS", block_rows)
    told: list[int] = []
    found = rank_recommendations(vectors, ids, weights, 9, told.append)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert len(told) == -(-64 // block_rows)
    assert told[-1] == 64


@QUICK
@given(st.floats(0, 1e4), st.sampled_from([1.0, 10.0, float("inf")]))
def test_weights_fall_with_age(age, half_life):
    times = pd.to_datetime([RUN_AT - timedelta(days=age), RUN_AT - timedelta(days=age / 2)], utc=True)
    older, newer = get_weights(pd.Series(times), RUN_AT, half_life)
    assert 0 <= older <= newer <= 1
