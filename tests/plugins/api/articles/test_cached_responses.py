"""Which responses are cached, and for how long."""

import pytest
from fastapi.testclient import TestClient

from quartet.api.articles.app import create_app
from tests.plugins.api.articles.responses import DEFAULTS, results, targets
from tests.support.serving_rows import SITE


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
    with TestClient(create_app()) as client:
        for _ in range(2):
            assert client.get("/recs?source_entity_id=x").headers["Cache-Control"] == header
        assert len(queries) == (4 if seconds == "0" else 2)


@pytest.mark.parametrize("path", ["/recs?source_entity_id=x", "/recs", "/models"])
@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_what_a_client_has_already_is_not_sent_again(client, filled, path, form):
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": form.format(first.headers["ETag"])})
    assert (again.status_code, again.content) == (304, b"")
    assert {name: again.headers[name] for name in ("ETag", "Cache-Control", "Access-Control-Allow-Origin")} == {
        name: first.headers[name] for name in ("ETag", "Cache-Control", "Access-Control-Allow-Origin")
    }


def test_another_response_has_another_tag(client, filled):
    tags = [client.get(path).headers["ETag"] for path in ("/recs?size=1", "/recs?size=2", "/recs?size=1")]
    assert tags[0] == tags[2] != tags[1]
    for other in ('"other"', tags[1], tags[0].strip('"'), ""):
        answer = client.get("/recs?size=1", headers={"If-None-Match": other})
        assert (answer.status_code, len(answer.json()["results"])) == (200, 1)
