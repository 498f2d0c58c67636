"""The articles API, mostly on SQLite and without Airflow behind it."""

import gzip
import json
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import URL, Engine, event

from include.articles.database.tables import METADATA, RECOMMENDATION
from include.core.database.engine import open_engine
from quartet.api.articles import app as articles
from quartet.api.articles import service as articles_desk
from quartet.api.articles.schemas import Articles, Models, Recommendations
from tests.support.api_client import Client
from tests.support.serving_rows import NOON, OTHER, SITE, Rows

ORIGIN = {"Origin": "https://washingtoncitypaper.com"}
DEFAULTS = ["1", "2", "3", "4", "5", "6"]
"""External ids of the defaults that `filled` has, best first."""


class Clock:
    """A timer that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        """Give the seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give a timer."""
    return Clock()


@pytest.fixture
def file(home: Path) -> URL:
    """Give the address of the database that the app reads; it is not there."""
    (home / "data").mkdir()
    return URL.create("sqlite", database=str(home / "data" / "articles.db"))


@pytest.fixture
def client(file: URL, clock: Clock) -> Iterator[TestClient]:
    """Give a client of the app."""
    with TestClient(articles.create_app(clock), follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, int]]:
    """Give a database without rows, one with rows, and what `filled` gives."""
    folder = tmp_path_factory.mktemp("templates")
    empty, full = folder / "empty.db", folder / "full.db"
    with open_engine(URL.create("sqlite", database=str(empty))) as engine:
        METADATA.create_all(engine)
    shutil.copy(empty, full)
    found = {}
    with open_engine(URL.create("sqlite", database=str(full))) as engine:
        rows = Rows(engine)
        for site in (OTHER, SITE):
            articles = {each: rows.article(each, site) for each in ["10", "20", "21", "22", *DEFAULTS]}
            found = {type: rows.model(type, site=site) for type in ("article", "popularity")}
            rows.recommend(found["article"], "10", [articles[each] for each in ("20", "21", "22")])
            rows.recommend(found["popularity"], "default", [articles[each] for each in DEFAULTS])
    return empty, full, found


@pytest.fixture
def rows(file: URL, templates: tuple[Path, Path, dict[str, int]]) -> Iterator[Rows]:
    """Give the database that the app reads, empty, or with the rows of `filled`."""
    if not Path(str(file.database)).exists():
        shutil.copy(templates[0], str(file.database))
    with open_engine(file) as engine:
        yield Rows(engine)


@pytest.fixture
def filled(file: URL, templates: tuple[Path, Path, dict[str, int]]) -> dict[str, int]:
    """
    Put two models of each of two sites into the database; give the ids of those of the first.

    `article`: the article 10 has 20, 21 and 22. `popularity`: `DEFAULTS`, by falling score. The other site has the same
    external ids.
    """
    shutil.copy(templates[1], str(file.database))
    return templates[2]


@pytest.fixture
def queries() -> Iterator[list[str]]:
    """Give the list of the queries of tables that are made from now on."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT"):
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def results(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def targets(answer: httpx.Response) -> list[str]:
    return [each["recommended_article"]["external_id"] for each in results(answer)]


def message(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["message"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()["message"]


# Answers


@pytest.mark.parametrize("path", ["/", "/health"])
def test_health_is_ok(client, filled, path):
    answer = client.get(path)
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_recommendation_says_what_the_widget_needs(client, filled):
    answer = client.get("/recs?source_entity_id=10&model_type=article&sort_by=score&exclude=10")
    assert answer.headers["Content-Type"] == "application/json"
    found = results(answer)
    assert [each["score"] for each in found] == ["1.000000", "0.900000", "0.800000"]
    assert [each["rank"] for each in found] == [1, 2, 3]
    assert list(found[0]) == [
        "id", "created_at", "updated_at", "source_entity_id", "score", "rank", "model", "recommended_article",
    ]  # fmt: skip
    assert list(found[0]["model"]) == ["id", "type", "status", "site", "created_at", "updated_at"]
    assert found[0]["model"] | {"id": filled["article"], "type": "article", "status": "current"} == found[0]["model"]
    assert found[0]["recommended_article"] | {"site": SITE, "external_id": "20"} == found[0]["recommended_article"]
    for time in (
        found[0]["created_at"],
        found[0]["model"]["updated_at"],
        found[0]["recommended_article"]["published_at"],
    ):
        assert datetime.fromisoformat(time) == NOON
    Recommendations.model_validate(answer.json())


def test_a_widget_on_a_new_article_gets_the_defaults(client, filled):
    answer = client.get("/recs?source_entity_id=3&model_type=article&sort_by=score&exclude=3")
    assert targets(answer) == ["1", "2", "4", "5", "6"]
    assert {each["model"]["type"] for each in results(answer)} == {"popularity"}


@pytest.mark.parametrize("source", ["10", "'10'", '"10"'])
def test_a_source_may_come_in_quotes(client, filled, source):
    assert targets(client.get("/recs", params={"source_entity_id": source})) == ["20", "21", "22"]


@pytest.mark.parametrize("source", ["''10''", "'10", "10'", "'", "''", "\"10'", ""])
def test_one_pair_of_quotes_is_taken_off(client, filled, source):
    assert targets(client.get("/recs", params={"source_entity_id": source})) == DEFAULTS


def test_without_a_type_the_article_model_answers(client, filled):
    for query in ("", "&model_type=", "&model_type=article"):
        assert targets(client.get(f"/recs?source_entity_id=10{query}")) == ["20", "21", "22"]
    assert targets(client.get("/recs?model_type=popularity")) == DEFAULTS
    assert {each["model"]["id"] for each in results(client.get("/recs"))} == {filled["article"]}


def test_a_model_may_be_named(client, rows, filled):
    stale = rows.model(status="stale", hours=-2)
    rows.recommend(stale, "10", [rows.article("30")])
    for query in (f"model_id={stale}", f"model_id={stale}&model_type=popularity", f"model_id=000{stale}"):
        [found] = results(client.get(f"/recs?{query}"))
        assert found["model"]["status"] == "stale"
    assert targets(client.get(f"/recs?model_id={stale}&source_entity_id=10")) == ["30"]
    for missing in (stale + 1, -1, 0, 2**63 - 1, -(2**63)):
        assert targets(client.get(f"/recs?model_id={missing}")) == DEFAULTS


def test_a_model_that_is_no_integer_is_refused(client, filled):
    words = ["x", "", "1.0", "1e3", "0x10", "1_0", "½", "٣", "'1'", "1;", " 1", "1\n", "\0"]
    for value in [*words, str(2**63), str(-(2**63) - 1), "9" * 5000]:
        answer = client.get("/recs", params={"model_id": value})
        assert message(answer, 400) == f"Invalid input for 'model_id' (int): {value}"


def test_a_size_out_of_bounds_is_refused(client, filled):
    for value in ["0", "-1", "500", "5000", "x", "", "1.5", "9" * 5000, str(2**64)]:
        for path in ("/recs", "/models"):
            answer = client.get(path, params={"size": value})
            assert message(answer, 400) == f"Invalid input for 'size' (int), must be below 500: {value}"


def test_the_size_bounds_recommendations_defaults_and_models(client, rows, filled):
    assert targets(client.get("/recs?source_entity_id=10&size=2")) == ["20", "21"]
    assert targets(client.get("/recs?source_entity_id=x&size=2")) == ["1", "2"]
    assert len(results(client.get("/models?size=3"))) == 3
    many = rows.model("article", "stale", hours=1)
    rows.recommend(many, "10", [rows.article(f"many {place}") for place in range(101)], [0.5] * 101)
    assert len(results(client.get(f"/recs?model_id={many}"))) == 100
    assert len(results(client.get(f"/recs?model_id={many}&size=499"))) == 101


def test_what_is_excluded_is_in_no_answer(client, rows, filled):
    assert targets(client.get("/recs?source_entity_id=10&exclude=20,22")) == ["21"]
    assert targets(client.get("/recs?source_entity_id=10&exclude= 20 ,,22,x,")) == ["21"]
    assert targets(client.get("/recs?source_entity_id=10&exclude=20&exclude=21")) == ["22"]
    assert targets(client.get("/recs?source_entity_id=10&exclude=20,21,22,1,2")) == ["3", "4", "5", "6"]
    assert targets(client.get("/recs?source_entity_id=6&exclude=1,2")) == ["3", "4", "5"]
    assert targets(client.get("/recs?source_entity_id=x&exclude=1&size=2")) == ["2", "3"]
    assert targets(client.get("/recs?model_type=popularity&exclude=1,2,3,4,5")) == ["6"]
    assert targets(client.get(f"/recs?exclude={','.join(['20', '21', '22', *DEFAULTS])}")) == []


def test_articles_that_must_not_be_recommended_are_in_no_answer(client, rows):
    bad, good = rows.article("1", excluded_reason="tag-exclude"), rows.article("2")
    model = rows.model()
    rows.recommend(model, "10", [bad, good])
    rows.recommend(model, "11", [bad])
    rows.recommend(rows.model("popularity"), "default", [bad, good])
    for query in ("source_entity_id=10", "source_entity_id=11", "source_entity_id=x", "", f"model_id={model}"):
        assert set(targets(client.get(f"/recs?{query}"))) == {"2"}


def test_any_column_sorts(client, filled):
    expected = ["20", "21", "22"]
    for column in RECOMMENDATION.c.keys():  # noqa: SIM118 - columns, not a dictionary
        rising = targets(client.get(f"/recs?source_entity_id=10&sort_by={column}&order_by=asc"))
        falling = targets(client.get(f"/recs?source_entity_id=10&sort_by={column}"))
        assert rising == (expected[::-1] if column == "score" else expected)
        assert falling == (expected[::-1] if column in ("id", "rank", "recommended_article_id") else expected)
        assert falling == targets(client.get(f"/recs?source_entity_id=10&sort_by={column}&order_by=sideways"))


def test_without_a_known_column_rank_sorts(client, filled):
    for query in ("sort_by=nothing", "sort_by=", "order_by=asc", "sort_by=score;--", "sort_by=model"):
        assert targets(client.get(f"/recs?source_entity_id=10&{query}")) == ["20", "21", "22"]


def test_the_order_asked_for_is_not_that_of_the_defaults(client, filled):
    assert targets(client.get("/recs?source_entity_id=x&sort_by=score&order_by=asc")) == DEFAULTS


def test_each_site_has_its_own(client, filled):
    for site in (SITE, OTHER):
        for source in ("10", "x"):
            found = results(client.get(f"/recs?site={site}&source_entity_id={source}"))
            assert {each["model"]["site"] for each in found} == {site}
            assert {each["recommended_article"]["site"] for each in found} == {site}
    assert targets(client.get(f"/recs?site={OTHER}&model_id={filled['article']}")) == DEFAULTS  # of the other site
    for unknown in ("nowhere", "", "%00", "é", "'", "x" * 5000):
        assert results(client.get(f"/recs?site={unknown}")) == []


def test_the_usual_site_is_a_setting(filled, monkeypatch):
    monkeypatch.setenv("ARTICLE_RECS_SITE_NAME", OTHER)
    with TestClient(articles.create_app()) as client:
        assert {each["model"]["site"] for each in results(client.get("/recs"))} == {OTHER}


def test_the_last_of_repeated_parameters_counts(client, filled):
    assert targets(client.get("/recs?source_entity_id=x&source_entity_id=10&size=x&size=1")) == ["20"]
    assert client.get("/recs?size=1&size=x").status_code == 400


def test_models_are_listed(client, rows, filled):
    stale = rows.model(status="stale", hours=-2)
    answer = client.get("/models")
    assert [each["id"] for each in results(answer)] == sorted([each["id"] for each in results(answer)], reverse=True)
    assert results(answer)[0] == {
        "id": stale,
        "type": "article",
        "status": "stale",
        "site": SITE,
        "created_at": "2026-03-10T10:00:00+00:00",
        "updated_at": "2026-03-10T10:00:00+00:00",
    }
    Models.model_validate(answer.json())

    def ids(query: str) -> list[int]:
        return [each["id"] for each in results(client.get(f"/models?{query}"))]

    assert len(ids("")) == 5
    assert ids(f"site={SITE}&type=article") == [stale, filled["article"]]
    assert ids(f"site={SITE}&status=current") == [filled["popularity"], filled["article"]]
    assert ids(f"site={SITE}&sort_by=created_at&order_by=asc")[0] == stale
    assert ids(f"site={SITE}&sort_by=created_at&size=2&type=article") == [filled["article"], stale]
    for nothing in ("site=nowhere", "site=", "type=nothing", "status=%00"):
        assert ids(nothing) == []


def test_the_articles_of_a_model_are_listed(client, filled):
    answer = client.get(f"/models/{filled['article']}/articles")
    [found] = results(answer)
    assert (found["external_id"], found["site"]) == ("10", SITE)
    Articles.model_validate(answer.json())
    assert results(client.get(f"/models/{filled['popularity']}/articles")) == []


def test_a_model_that_is_not_there_has_no_articles(client, filled):
    for model in ("999", "0", "-1", "x", "1.5", "%00", str(2**63), "9" * 5000, "1%27"):
        assert message(client.get(f"/models/{model}/articles"), 404) == "RESOURCE DOES NOT EXIST"


ANYTHING = st.text(max_size=30) | st.integers().map(str) | st.sampled_from(["10", "'10'", "asc", "score", "a,b", "\0"])


@given(st.dictionaries(st.sampled_from(
    ["site", "source_entity_id", "model_type", "model_id", "exclude", "size", "sort_by", "order_by", "type", "status"]
), ANYTHING), st.sampled_from(["/recs", "/models", "/models/1/articles"]))  # fmt: skip
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_parameters_make_it_fail(client, filled, query, path):
    answer = client.get(path, params=query)
    assert answer.status_code in (200, 400, 404)
    assert answer.status_code == 200 or list(answer.json()) == ["message"]


# Errors, CORS, methods


def test_what_is_not_there_is_told_as_a_message(client, filled):
    for path in ("nothing", "recs/", "recs/1", "models/", "models/1", "models/1/articles/2", "models//articles"):
        assert message(client.get(f"/{path}"), 404) == "Not Found"


def test_nothing_can_be_written(client, filled):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in ("/", "/recs", "/models", "/models/1/articles"):
            answer = client.request(method, path)
            assert message(answer, 405) == "Method Not Allowed"
            assert "GET" in answer.headers["Allow"]


def test_a_query_that_is_too_long_is_refused(client, filled):
    assert targets(client.get(f"/recs?source_entity_id={'x' * 15_000}")) == DEFAULTS
    long = ",".join(map(str, range(3_000)))
    assert targets(client.get(f"/recs?source_entity_id=10&exclude={long[:15_000]}")) == []
    assert message(client.get(f"/recs?source_entity_id={'x' * 16_000}"), 414)


OPEN = {"access-control-allow-origin": "*", "access-control-allow-headers": "Content-Type, Authorization"}


def test_every_answer_may_be_read_by_any_page(client, filled):
    for path, status in {
        "/": 200,
        "/recs": 200,
        "/recs?size=x": 400,
        "/recs?" + "x" * 16_001: 414,
        "/models/x/articles": 404,
        "/nothing": 404,
        "/openapi.json": 200,
        "/docs": 200,
    }.items():
        for headers in ({}, ORIGIN):
            for method in ("GET", "HEAD"):
                answer = client.request(method, path, headers=headers)
                assert answer.status_code == status
                assert answer.headers.items() >= OPEN.items()
            assert client.post(path, headers=headers).headers.items() >= OPEN.items()


def test_a_preflight_is_answered(client):
    for path in ("/recs", "/models/1/articles", "/nothing"):
        for headers in ({}, ORIGIN | {"Access-Control-Request-Method": "GET"}):
            answer = client.options(path, headers=headers)
            assert (answer.status_code, answer.content) == (204, b"")
            assert answer.headers.items() >= OPEN.items()
            assert "GET" in answer.headers["Access-Control-Allow-Methods"]


def test_head_is_get_without_a_body(client, filled):
    get, head = client.get("/recs"), client.head("/recs")
    assert head.content == b""
    assert head.headers == get.headers


def test_a_fault_of_ours_is_a_message_that_any_page_may_read(client, filled, monkeypatch, caplog):
    monkeypatch.setattr(articles_desk.serving, "recommendations", lambda *_: 1 / 0)
    answer = client.get("/recs")
    assert message(answer, 500) == "internal error"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "ZeroDivisionError" in caplog.text


# The database


def test_before_the_first_run_the_answer_says_what_to_do(client, file, clock):
    expected = "there are no recommendations yet: run the DAG article_recs__washington_city_paper"
    assert message(client.get("/recs"), 503) == expected  # no file
    for path in ("/", "/health"):
        assert message(client.get(path), 500) == expected
    with open_engine(file) as engine:
        with engine.connect():
            pass
        assert message(client.get("/models"), 503) == expected  # no tables
        METADATA.create_all(engine)
        assert client.get("/health").text == "OK"
        assert results(client.get("/recs")) == []


def test_a_server_that_does_not_answer_is_told_without_its_address(home, monkeypatch, caplog, clock, postgres):
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", "postgresql://someone:s3cret@127.0.0.1:1/articles")
    with TestClient(articles.create_app(clock)) as client:
        answer = client.get("/recs")
        assert message(answer, 503) == "the database of recommendations is not available"
        assert answer.headers["Retry-After"] == "5"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert message(client.get("/health"), 500) == "the database of recommendations is not available"
        assert "Connection refused" in caplog.text
        assert "s3cret" not in caplog.text
        # the next request looks the connection up again
        monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", postgres.render_as_string(hide_password=False))
        with open_engine(postgres) as engine:
            METADATA.create_all(engine)
        assert client.get("/health").text == "OK"


def test_a_connection_that_cannot_be_looked_up_is_told(client, filled, monkeypatch):
    def look(*_: Any, **__: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://secrets.example")

    backends = "airflow.sdk.execution_time.supervisor.ensure_secrets_backend_loaded"
    with monkeypatch.context() as patch:
        patch.setattr(backends, lambda: [SimpleNamespace(get_connection=look)])
        assert message(client.get("/recs"), 503) == "the database of recommendations is not available"
    assert client.get("/health").text == "OK"


def test_postgresql_answers_the_same(home, monkeypatch, clock, postgres):
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", postgres.render_as_string(hide_password=False))
    with TestClient(articles.create_app(clock)) as client:
        assert message(client.get("/recs"), 503).startswith("there are no recommendations yet: run the DAG")
        with open_engine(postgres) as engine:
            METADATA.create_all(engine)
            rows = Rows(engine)
            model, target = rows.model(id=2**40), rows.article("é1")
            rows.recommend(model, "10", [target])
            with engine.connect() as connection:  # whatever the server has open is closed
                own = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
                assert targets(client.get("/recs?source_entity_id=10&sort_by=score&exclude=10")) == ["é1"]
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    f"WHERE datname = current_database() AND pid <> {own}"
                )
        assert targets(client.get(f"/recs?model_id={2**40}")) == ["é1"]
        for query in ("source_entity_id=%00", "site=%00", "model_type=%00", "exclude=%00", "sort_by=%00"):
            assert client.get(f"/recs?{query}").status_code == 200
        assert client.get("/models?type=%00&size=1").status_code == 200
        assert message(client.get("/models/%00/articles"), 404)
        assert message(client.get(f"/recs?model_id={2**63}"), 400)


def test_many_readers_are_answered_at_once(client, filled):
    found: list[list[str]] = []

    def read(number: int) -> None:
        found.append(targets(client.get(f"/recs?source_entity_id=10&exclude=none{number % 10}")))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["20", "21", "22"]] * 40


# The cache


def test_an_answer_is_read_once_in_its_time(client, rows, filled, clock, queries):
    url = "/recs?source_entity_id=10"
    first = client.get(url)
    new = rows.model(status="pending", hours=2)
    rows.recommend(new, "10", [rows.article("30")])
    rows.promote(new, filled["article"])
    queries.clear()
    clock.now += 899
    assert client.get(url).content == first.content
    assert client.get(f"{url}&model_type=article&order_by=asc&size=100&site={SITE}").content == first.content
    assert queries == []
    clock.now += 1
    assert targets(client.get(url)) == ["30"]
    assert len(queries) == 1


def test_all_parameters_are_the_key(client, filled, queries):
    first = client.get("/recs?source_entity_id=10")
    for other in (
        "size=2",
        "exclude=21",
        "sort_by=id",
        "sort_by=score&order_by=asc",
        "site=x",
        "model_type=popularity",
    ):
        queries.clear()
        assert client.get(f"/recs?source_entity_id=10&{other}").content != first.content
        assert queries


def test_the_defaults_are_read_once_for_a_site(client, rows, filled, clock, queries):
    for source in range(100, 110):
        assert targets(client.get(f"/recs?source_entity_id={source}&exclude=1")) == DEFAULTS[1:]
    assert len(queries) == 11  # ten sources have none; the defaults
    new = rows.model("popularity", "pending", hours=2)
    rows.recommend(new, "default", [rows.article("30")])
    rows.promote(new, filled["popularity"])
    clock.now += 900
    assert targets(client.get("/recs?source_entity_id=100")) == DEFAULTS  # kept a little longer, at random
    clock.now += 30
    # an answer made of them is not kept any longer than they are
    assert targets(client.get("/recs?source_entity_id=100")) == ["30"]


def test_models_and_their_articles_are_kept_too(client, filled, clock, queries):
    urls = ["/models", "/models?size=1", f"/models/{filled['article']}/articles"]
    for _ in range(2):
        for url in urls:
            assert results(client.get(url))
    assert len(queries) == 4
    clock.now += 900
    client.get("/models")
    assert len(queries) == 5


def test_errors_and_health_are_not_kept(client, rows, filled, queries):
    for _ in range(2):
        client.get("/models/999/articles")
        client.get("/health")
    assert len(queries) == 4
    model = rows.model(id=999, hours=5, status="stale")
    assert results(client.get(f"/models/{model}/articles")) == []


@pytest.mark.parametrize(
    ("seconds", "header"), [("0", "public, max-age=0"), ("7", "public, max-age=7"), ("", "public, max-age=60")]
)
def test_browsers_keep_an_answer_for_a_minute_at_most(filled, monkeypatch, queries, seconds, header):
    monkeypatch.setenv("ARTICLES_CACHE_SECONDS", seconds)
    with TestClient(articles.create_app()) as client:
        for _ in range(2):
            assert client.get("/recs?source_entity_id=x").headers["Cache-Control"] == header
        assert len(queries) == (4 if seconds == "0" else 2)


# Figures


def test_figures_are_logged_each_minute(client, filled, clock, caplog):
    caplog.set_level(logging.INFO, logger="quartet.api.articles.metrics")
    for query in ("source_entity_id=10", "source_entity_id=10", "source_entity_id=x", f"site={OTHER}", "site=%0Ano"):
        client.get(f"/recs?{query}")
    assert "total" not in caplog.text
    clock.now += 60
    client.get("/models")
    for line in (
        f"total_rec_requests 3 site={SITE}",
        f"total_rec_db_hits 2 site={SITE}",
        f"total_default_recs_served 1 site={SITE}",
        f"total_rec_requests 1 site={OTHER}",
        "total_rec_requests 1 site=other",
    ):
        assert line in caplog.messages
    latencies = [each for each in caplog.messages if each.startswith("aggregate_latency")]
    assert [each.partition("handler=")[2].partition(" longest")[0] for each in latencies] == [
        "models site=none requests=1",
        "recs site=other requests=1",
        f"recs site={OTHER} requests=1",
        f"recs site={SITE} requests=3",
    ]
    caplog.clear()
    clock.now += 60
    client.get("/models")
    assert [each for each in caplog.messages if each.startswith("total")] == []


def test_an_error_is_logged_with_its_time(client, filled, caplog):
    caplog.set_level(logging.INFO, logger="quartet.api.articles.metrics")
    client.get("/recs?size=x")
    client.post("/nothing")
    lines = [each.partition(" ms ")[2] for each in caplog.messages if each.startswith("error_request_time")]
    assert lines == [
        f"handler=recs site={SITE} method=GET status_code=400",
        "handler=none site=none method=POST status_code=404",
    ]


def test_callers_cannot_make_figures_without_end(client, filled, clock, caplog):
    caplog.set_level(logging.INFO, logger="quartet.api.articles.metrics")
    for number in range(130):
        client.get(f"/recs?site=site{number}")
    clock.now += 60
    client.get(f"/models?site={SITE}")
    requests = [each for each in caplog.messages if each.startswith("total_rec_requests")]
    assert len(requests) == 101
    assert "total_rec_requests 30 site=other" in requests


def test_figures_never_fail_a_request(client, filled, monkeypatch):
    monkeypatch.setattr("quartet.api.articles.metrics.Metrics.answered", lambda *_: 1 / 0)
    assert client.get("/recs").status_code == 200


# Who may read


@pytest.fixture
def guarded(filled, monkeypatch: pytest.MonkeyPatch, signed_in: Callable) -> Iterator[TestClient]:
    """Give a client of an app that is not public, as somebody who may see the DAG of the usual site only."""
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    def is_authorized_dag(*_: Any, method: str, details: Any, **__: Any) -> bool:
        return method == "GET" and details.id == "article_recs__washington_city_paper"

    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", is_authorized_dag)
    monkeypatch.setenv("ARTICLES_PUBLIC", "false")
    app = articles.create_app()
    signed_in(app, "viewer")
    with TestClient(app, follow_redirects=False) as client:
        yield client


def test_readers_have_to_be_users_if_it_is_not_public(guarded, signed_in):
    paths = ["/", "/health", "/recs", "/models", "/models/1/articles"]
    assert [guarded.get(path).status_code for path in paths] == [200] * 4 + [404]
    signed_in(guarded.app, None)
    for path in paths:
        answer = guarded.get(path)
        assert message(answer, 401) == "Not authenticated"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert guarded.options(path).status_code == 204


def test_a_user_that_airflow_knows_by_the_cookie_may_read(guarded, signed_in):
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.security import USER_INJECTED_BY_TRUSTED_MIDDLEWARE

    async def behind_airflow(scope, receive, send) -> None:
        user = SimpleAuthManagerUser(username="viewer", role="viewer")
        scope["state"] = {"user": user, "user_authenticated_via": USER_INJECTED_BY_TRUSTED_MIDDLEWARE}
        await guarded.app(scope, receive, send)

    signed_in(guarded.app, None)
    assert TestClient(behind_airflow).get("/health").text == "OK"


def test_all_routes_are_guarded(guarded):
    from quartet.api.common.auth import Guard

    routes = [
        each
        for each in guarded.app.routes
        if isinstance(each, APIRoute) and each.endpoint.__module__ == articles.__name__
    ]
    assert len(routes) == 5
    for route in routes:
        assert [type(each.call) for each in route.dependant.dependencies] == [Guard]


def test_the_dag_of_the_site_decides(guarded, filled):
    for path in ("/recs", "/models", "/models/3/articles", "/health"):
        for site in (OTHER, "nowhere", "%00", ""):
            answer = guarded.get(f"{path}?site={site}")
            assert message(answer, 403)
            assert guarded.get(f"{path}?site={SITE}&site={site}").status_code == 403
        assert guarded.get(f"{path}?site={OTHER}&site={SITE}").status_code == 200
    assert {each["site"] for each in results(guarded.get("/models"))} == {SITE}
    [other] = results(guarded.get(f"/recs?model_id={filled['article'] - 2}&size=1"))  # a model of the other site
    assert (other["model"]["site"], other["model"]["type"]) == (SITE, "popularity")
    assert guarded.get(f"/models/{filled['article']}/articles").status_code == 200
    assert message(guarded.get(f"/models/{filled['article'] - 2}/articles"), 404)


def test_a_guarded_answer_is_private(guarded):
    assert guarded.get("/recs").headers["Cache-Control"] == "private, max-age=60"


# Through Airflow


def test_it_is_public_below_articles_on_airflows_server(airflow: Client):
    airflow.cookies.clear()
    assert airflow.get("/articles/health").text == "OK"
    assert airflow.get("/articles/").text == "OK"
    answer = airflow.get("/articles/recs?source_entity_id=x", headers=ORIGIN)
    assert len(results(answer)) == 1
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert airflow.head("/articles/recs").status_code == 200
    assert airflow.options("/articles/recs", headers=ORIGIN).status_code == 204
    for path, status in (("/articles/nothing", 404), ("/articles/recs?size=0", 400)):
        answer = airflow.get(path)
        assert message(answer, status)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_large_answers_are_compressed_for_who_takes_that(airflow: Client):
    with airflow.stream("GET", "/articles/openapi.json", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(b"".join(answer.iter_raw())))["paths"]


def test_the_description_names_every_parameter(client):
    described = client.get("/openapi.json").json()["paths"]
    names = {path: [each["name"] for each in route["get"].get("parameters", [])] for path, route in described.items()}
    assert names == {
        "/health": [],
        "/recs": ["site", "source_entity_id", "model_type", "model_id", "exclude", "sort_by", "order_by", "size"],
        "/models": ["site", "type", "status", "sort_by", "order_by", "size"],
        "/models/{model_id}/articles": ["model_id", "site"],
    }
    assert all("422" not in route["get"]["responses"] for route in described.values())
