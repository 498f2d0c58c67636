"""`GET /recs`: which recommendations, how many, in which order."""

import threading
from datetime import datetime

import pytest
from fastapi.testclient import TestClient

from include.articles.database.tables import RECOMMENDATION
from quartet.api.articles.app import create_app
from quartet.api.articles.schemas import Recommendations
from tests.plugins.api.articles.responses import DEFAULTS, message, results, targets
from tests.support.serving_rows import NOON, OTHER, SITE


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
    with TestClient(create_app()) as client:
        assert {each["model"]["site"] for each in results(client.get("/recs"))} == {OTHER}


def test_the_last_of_repeated_parameters_counts(client, filled):
    assert targets(client.get("/recs?source_entity_id=x&source_entity_id=10&size=x&size=1")) == ["20"]
    assert client.get("/recs?size=1&size=x").status_code == 400


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
