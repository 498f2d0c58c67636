"""Errors, methods and CORS of all routes."""

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from quartet.api.articles import service
from tests.plugins.api.articles.responses import DEFAULTS, ORIGIN, message, targets

ANYTHING = st.text(max_size=30) | st.integers().map(str) | st.sampled_from(["10", "'10'", "asc", "score", "a,b", "\0"])


@given(st.dictionaries(st.sampled_from(
    ["site", "source_entity_id", "model_type", "model_id", "exclude", "size", "sort_by", "order_by", "type", "status"]
), ANYTHING), st.sampled_from(["/recs", "/models", "/models/1/articles"]))  # fmt: skip
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_parameters_make_it_fail(client, filled, query, path):
    answer = client.get(path, params=query)
    assert answer.status_code in (200, 400, 404)
    assert answer.status_code == 200 or list(answer.json()) == ["message"]


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
    monkeypatch.setattr(service.serving, "recommendations", lambda *_: 1 / 0)
    answer = client.get("/recs")
    assert message(answer, 500) == "internal error"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "ZeroDivisionError" in caplog.text
