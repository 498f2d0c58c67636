"""Access to the articles API, alone and mounted on Airflow's server."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from quartet.api.articles import routes
from quartet.api.articles.app import create_app
from tests.plugins.api.articles.responses import ORIGIN, message, results
from tests.support.api_client import Client
from tests.support.serving_rows import OTHER, SITE


@pytest.fixture
def guarded(filled, monkeypatch: pytest.MonkeyPatch, signed_in: Callable) -> Iterator[TestClient]:
    """A client of an app that is not public, as a user who may see only the DAG of the default site."""
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    def is_authorized_dag(*_: Any, method: str, details: Any, **__: Any) -> bool:
        return method == "GET" and details.id == "article_recs__washington_city_paper"

    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", is_authorized_dag)
    monkeypatch.setenv("ARTICLES_PUBLIC", "false")
    app = create_app()
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

    found = [
        each
        for each in guarded.app.routes
        if isinstance(each, APIRoute) and each.endpoint.__module__ == routes.__name__
    ]
    assert len(found) == 5
    for route in found:
        assert [type(each.call) for each in route.dependant.dependencies if isinstance(each.call, Guard)] == [Guard]
        assert isinstance(route.dependant.dependencies[0].call, Guard)  # before anything is done


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
