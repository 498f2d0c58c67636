"""Queries of the API, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, make_url
from sqlalchemy.exc import DBAPIError

from include.articles.database import serving
from include.articles.database.serving import Order, RecommendationQuery
from include.articles.database.tables import METADATA, RECOMMENDATION
from include.core.database.engine import open_engine
from tests.support.services import POSTGRES, fresh_database
from tests.support.serving_rows import NOON, OTHER, SITE, Rows

TIME = "2026-03-10T12:00:00+00:00"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def writer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Yield a database of each kind with the tables."""
    file = make_url(f"sqlite:///{tmp_path_factory.mktemp('serving')}/articles.db")
    for url in fresh_database(POSTGRES) if request.param == "postgres" else [file]:
        with open_engine(url) as engine:
            METADATA.create_all(engine)
            yield engine


@pytest.fixture
def rows(writer: Engine) -> Rows:
    """Return empty tables to insert rows into."""
    rows = Rows(writer)
    rows.clear()
    return rows


@pytest.fixture
def engine(rows: Rows) -> Iterator[Engine]:
    """Yield the same database, read-only."""
    with open_engine(rows.engine.url, read_only=True) as engine:
        yield engine


def targets(found: list[dict]) -> list[str]:
    return [each["recommended_article"]["external_id"] for each in found]


def test_a_recommendation_has_its_model_and_its_article(rows, engine):
    target = rows.article("20", title="Amélie 🎬 中文", published_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))
    model = rows.model(hours=-2)
    [id] = rows.recommend(model, "10", [target], [0.5])
    assert serving.recommendations(engine, RecommendationQuery(SITE, source="10")) == [
        {
            "id": id,
            "created_at": TIME,
            "updated_at": TIME,
            "source_entity_id": "10",
            "score": "0.500000",
            "rank": 1,
            "model": {
                "id": model,
                "type": "article",
                "status": "current",
                "site": SITE,
                "created_at": "2026-03-10T10:00:00+00:00",
                "updated_at": "2026-03-10T10:00:00+00:00",
            },
            "recommended_article": {
                "id": target,
                "external_id": "20",
                "title": "Amélie 🎬 中文",
                "path": "/article/20/x/",
                "published_at": "2026-01-02T03:04:05.678901+00:00",
                "site": SITE,
                "created_at": TIME,
                "updated_at": TIME,
            },
        }
    ]


@pytest.mark.parametrize(
    ("score", "text"), [(0, "0.000000"), (1, "1.000000"), (0.784174, "0.784174"), (0.1, "0.100000"), (1e-6, "0.000001")]
)
def test_a_score_has_six_decimals(rows, engine, score, text):
    rows.recommend(rows.model(), "10", [rows.article("20")], [score])
    assert serving.recommendations(engine, RecommendationQuery(SITE, source="10"))[0]["score"] == text


def test_an_article_may_have_no_time_of_publication(rows, engine):
    rows.recommend(rows.model(), "10", [rows.article("20", published_at=None)])
    [found] = serving.recommendations(engine, RecommendationQuery(SITE, source="10"))
    assert found["recommended_article"]["published_at"] is None


def test_only_the_current_model_of_site_and_type_answers(rows, engine):
    first, second = rows.article("1"), rows.article("2")
    for status, target in (("stale", first), ("pending", first), ("failed", first), ("current", second)):
        rows.recommend(rows.model(status=status), "10", [target])
    rows.recommend(rows.model("popularity"), "default", [first])
    assert targets(serving.recommendations(engine, RecommendationQuery(SITE, source="10"))) == ["2"]
    assert targets(serving.recommendations(engine, RecommendationQuery(SITE))) == ["2"]
    assert targets(serving.recommendations(engine, RecommendationQuery(SITE, type="popularity"))) == ["1"]
    assert serving.recommendations(engine, RecommendationQuery(SITE, type="user")) == []
    assert serving.recommendations(engine, RecommendationQuery("nowhere")) == []


@pytest.mark.parametrize("status", ["stale", "pending", "failed", "current"])
def test_a_model_may_be_named_whatever_its_status(rows, engine, status):
    rows.recommend(rows.model(), "10", [rows.article("1")])
    named = rows.model(status="stale" if status == "current" else status, hours=1)
    rows.recommend(named, "10", [rows.article("2")])
    assert targets(serving.recommendations(engine, RecommendationQuery(SITE, model_id=named, type="popularity"))) == [
        "2"
    ]
    assert serving.recommendations(engine, RecommendationQuery(OTHER, model_id=named)) == []
    assert serving.recommendations(engine, RecommendationQuery(SITE, model_id=named + 1)) == []


def test_sites_with_the_same_ids_do_not_mix(rows, engine):
    for site in (SITE, OTHER):
        target = rows.article("20", site, title=site)
        rows.recommend(rows.model(site=site), "10", [target])
        rows.recommend(rows.model("popularity", site=site), "default", [target])
    for site in (SITE, OTHER):
        [found] = serving.recommendations(engine, RecommendationQuery(site, source="10"))
        [default] = serving.defaults(engine, site)
        for each in (found, default):
            assert each["model"]["site"] == each["recommended_article"]["site"] == site
            assert each["recommended_article"]["title"] == site


def test_excluded_articles_and_those_not_wanted_are_left_out(rows, engine):
    articles = [
        rows.article("1"),
        rows.article("2", excluded_reason="tag-exclude"),
        rows.article("3"),
        rows.article("4"),
    ]
    rows.recommend(rows.model(), "10", articles)
    assert targets(serving.recommendations(engine, RecommendationQuery(SITE, source="10"))) == ["1", "3", "4"]
    query = RecommendationQuery(SITE, source="10", exclude=frozenset({"3", "nothing", "1'; --", "\0"}))
    assert targets(serving.recommendations(engine, query)) == ["1", "4"]
    assert targets(serving.recommendations(engine, RecommendationQuery(SITE, source="10", size=2))) == ["1", "3"]


def test_ids_may_be_text_and_numbers_past_32_bits(rows, engine):
    target = rows.article("TCKTFPUVXJE5LJXG7THB4PLMKM", id=2**31 + 5)
    model = rows.model(id=2**40)
    with rows.engine.begin() as connection:
        times = {"created_at": NOON, "updated_at": NOON}
        row = {"id": 2**62, "model_id": model, "source_entity_id": "änd,'x", "recommended_article_id": target}
        connection.execute(RECOMMENDATION.insert().values(**row, score=1, rank=1, **times))
    for query in (RecommendationQuery(SITE, source="änd,'x"), RecommendationQuery(SITE, model_id=2**40)):
        [found] = serving.recommendations(engine, query)
        assert (found["id"], found["model"]["id"], found["recommended_article"]["id"]) == (2**62, 2**40, 2**31 + 5)
    for model_id in (2**63 - 1, -(2**63), 0):
        assert serving.recommendations(engine, RecommendationQuery(SITE, model_id=model_id)) == []
        assert serving.articles(engine, model_id) is None


def test_text_that_no_database_has_finds_nothing(rows, engine):
    rows.recommend(rows.model(), "10", [rows.article("1")])
    for query in (
        RecommendationQuery("\0"),
        RecommendationQuery(SITE, source="1\0"),
        RecommendationQuery(SITE, type="article\0"),
    ):
        assert serving.recommendations(engine, query) == []
    assert serving.models(engine, {"status": "\0"}, 100, Order()) == []


RISING = {"score": ["3", "1", "2", "4"], "recommended_article_id": ["4", "3", "2", "1"]}
FALLING = {"score": ["4", "1", "2", "3"], "id": ["4", "3", "2", "1"], "rank": ["4", "3", "2", "1"]}


@pytest.mark.parametrize("column", [*RECOMMENDATION.c.keys(), "nothing", None])
def test_every_column_sorts_both_ways_and_rank_decides_about_the_rest(rows, engine, column):
    articles = {external_id: rows.article(external_id) for external_id in "4321"}
    rows.recommend(rows.model(), "10", [articles[each] for each in "1234"], [0.2, 0.2, 0.1, 0.9])
    for descending, expected in ((False, RISING), (True, FALLING)):
        found = serving.recommendations(engine, RecommendationQuery(SITE, source="10", order=Order(column, descending)))
        assert targets(found) == expected.get(column or "", ["1", "2", "3", "4"])


def test_all_sources_come_by_rank_and_then_by_id(rows, engine):
    model, articles = rows.model(), [rows.article("1"), rows.article("2")]
    ids = rows.recommend(model, "b", articles) + rows.recommend(model, "a", articles)
    found = serving.recommendations(engine, RecommendationQuery(SITE))
    assert [each["id"] for each in found] == [ids[0], ids[2], ids[1], ids[3]]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12),
    st.integers(1, 6),
    st.sampled_from([None, *RECOMMENDATION.c.keys()]),
    st.booleans(),
    st.sets(st.sampled_from("0123456789")),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_read_is_what_plain_python_would_choose(rows, engine, kinds, size, column, descending, exclude):
    rows.clear()
    scores = [score / 3 for score, _ in kinds]
    articles = [
        rows.article(str(place), excluded_reason="why" if excluded else None)
        for place, (_, excluded) in enumerate(kinds)
    ]
    ids = rows.recommend(rows.model(), "x", articles, [round(score, 6) for score in scores])
    left = [place for place, (_, excluded) in enumerate(kinds) if not excluded and str(place) not in exclude]
    keys = {"score": scores, "id": ids, "rank": ids, "recommended_article_id": ids}.get(column or "", [0] * len(kinds))
    left.sort(key=lambda place: keys[place], reverse=descending)  # stable, and by rank before
    query = RecommendationQuery(
        SITE, source="x", exclude=frozenset(exclude), size=size, order=Order(column, descending)
    )
    assert targets(serving.recommendations(engine, query)) == [str(place) for place in left[:size]]


def test_defaults_come_by_falling_score(rows, engine):
    articles = [rows.article("1"), rows.article("2"), rows.article("3", excluded_reason="why"), rows.article("4")]
    rows.recommend(rows.model("popularity"), "default", articles, [0.5, 0.5, 0.9, 1])
    rows.recommend(rows.model("popularity", "stale"), "default", articles)
    rows.recommend(rows.model(), "default", articles)
    assert targets(serving.defaults(engine, SITE)) == ["4", "1", "2"]
    assert serving.defaults(engine, OTHER) == []


def test_models_are_filtered_sorted_and_cut(rows, engine):
    old = rows.model(status="stale", hours=-2, error="b")
    new = rows.model(hours=3, updated_at=NOON - timedelta(hours=9))
    popular = rows.model("popularity", hours=1)
    other = rows.model(site=OTHER)

    def ids(order: Order = Order(), size: int = 100, **equal: str) -> list[int]:  # noqa: B008
        return [each["id"] for each in serving.models(engine, equal, size, order)]

    assert ids() == [other, popular, new, old]
    assert ids(site=SITE) == [popular, new, old]
    assert ids(type="article", status="current") == [other, new]
    assert ids(type="nothing") == []
    assert ids(size=2) == [other, popular]
    assert ids(Order("updated_at"), site=SITE) == [popular, old, new]
    assert ids(Order("updated_at", descending=False), site=SITE) == [new, old, popular]
    for descending in (True, False):
        assert ids(Order("error", descending), site=SITE) == [old, popular, new]  # what has none comes last
    assert serving.models(engine, {"site": OTHER}, 1, Order()) == [
        {"id": other, "type": "article", "status": "current", "site": OTHER, "created_at": TIME, "updated_at": TIME}
    ]


def test_the_articles_of_a_model_are_its_sources_newest_first(rows, engine):
    target = rows.article("t")
    times = {"1": NOON - timedelta(days=1), "2": NOON, "3": None, "4": NOON + timedelta(days=1)}
    ids = {each: rows.article(each, published_at=time) for each, time in times.items()}
    rows.article("5")
    rows.article("1", OTHER)
    rows.article("6", excluded_reason="why")
    model = rows.model(status="stale")
    for source in ("1", "2", "3", "4", "6", "gone"):
        rows.recommend(model, source, [target, ids["2"]])
    rows.recommend(rows.model(), "5", [target])
    found = serving.articles(engine, model)
    assert found is not None
    assert [each["external_id"] for each in found] == ["4", "2", "1", "3"]
    assert list(found[0]) == list(serving.ARTICLE_COLUMNS)
    assert serving.articles(engine, model, SITE) == found
    assert serving.articles(engine, model, OTHER) is None
    assert serving.articles(engine, model + 100) is None


def test_so_many_articles_of_a_model_are_enough(rows, engine, monkeypatch):
    monkeypatch.setattr(serving, "MAX_ARTICLES", 2)
    target, model = rows.article("t"), rows.model()
    for hour, source in enumerate("abc"):
        rows.article(source, published_at=NOON + timedelta(hours=hour))
        rows.recommend(model, source, [target])
    found = serving.articles(engine, model)
    assert found is not None
    assert [each["external_id"] for each in found] == ["c", "b"]


def test_one_query_answers_and_goes_through_the_index(rows, engine):
    rows.recommend(rows.model(), "10", [rows.article("1")])
    statements: list[tuple] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, parameters, *_):
        statements.append((statement, parameters))

    serving.recommendations(
        engine, RecommendationQuery(SITE, source="10", exclude=frozenset("9"), order=Order("score"))
    )
    [(statement, parameters)] = [each for each in statements if each[0].startswith("SELECT")]
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        searched = " ".join(row[3] for row in plan)
        assert "recommendation_source_model_idx (source_entity_id=? AND model_id=?)" in searched
        assert "SCAN" not in searched


def test_a_database_that_cannot_be_queried_is_told(rows, engine, tmp_path):
    serving.ping(engine)
    with open_engine(make_url(f"sqlite:///{tmp_path}/empty.db")) as empty, pytest.raises(DBAPIError, match="no such"):
        serving.ping(empty)


def test_times_are_told_in_utc(rows, engine):
    published = datetime(2026, 3, 10, 6, 0, tzinfo=timezone(timedelta(hours=-6)))
    rows.recommend(rows.model(), "10", [rows.article("1", published_at=published)])
    [found] = serving.recommendations(engine, RecommendationQuery(SITE, source="10"))
    assert found["recommended_article"]["published_at"] == TIME
