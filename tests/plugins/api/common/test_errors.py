"""The shape of errors: what was expected, where and what was found, whatever was sent."""

import json
from typing import Annotated, Any

import pytest
from annotated_types import Gt
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator

from quartet.api.common.errors import ApiError, Problem, RowError, documented, install_error_handlers


class Rows(BaseModel):
    data: Annotated[list[str], Field(min_length=1)]

    @field_validator("data")
    @classmethod
    def _no_blanks(cls, data: list[str]) -> list[str]:
        for row in data:
            if row == " ":
                raise ValueError(f"a row is not blank, {row!r} is")
            if row.startswith("echo"):
                raise ValueError(row)
        return data


def app() -> FastAPI:
    app = FastAPI(responses=documented(400, 422, 503))
    install_error_handlers(app)

    @app.post("/rows")
    def rows(rows: Rows) -> int:
        return len(rows.data)

    @app.get("/versions/{version}")
    def version(version: Annotated[int, Gt(0)], since: int = 0) -> int:
        return version - since

    @app.get("/raise/{name}")
    def fail(name: str) -> None:
        import botocore.exceptions
        import sqlalchemy.exc

        raise {
            "problem": ApiError(409, "busy", [RowError(index=4, reason="taken")]),
            "disk": PermissionError(13, "Permission denied", "/data/secret"),
            "network": ConnectionResetError(104, "reset"),
            "s3": botocore.exceptions.EndpointConnectionError(endpoint_url="http://s3"),
            "s3-refused": botocore.exceptions.ClientError({"Error": {"Code": "500"}}, "PutObject"),
            "db": sqlalchemy.exc.OperationalError("select secret", {}, Exception("no connection")),
            "missing": FileNotFoundError("x"),
            "bug": KeyError("x"),
        }[name]

    return app


CLIENT = TestClient(app(), raise_server_exceptions=False)


def post(body: Any) -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = CLIENT.post("/rows", content=content, headers={"Content-Type": "application/json"})
    return answer.status_code, answer.json()


def test_bad_rows_are_named_by_index():
    status, problem = post({"data": ["a", 1, "b", None, [1, 2], {"k": 1}]})
    assert status == 422
    assert problem["detail"] == "4 rows are not valid"
    assert problem["errors"] == [
        {"index": 1, "reason": "Input should be a valid string, found 1"},
        {"index": 3, "reason": "Input should be a valid string, found None"},
        {"index": 4, "reason": "Input should be a valid string, found a list of 2"},
        {"index": 5, "reason": "Input should be a valid string, found an object of 1"},
    ]


def test_ten_bad_rows_are_listed_and_all_are_counted():
    status, problem = post({"data": list(range(1000))})
    assert status == 422
    assert problem["detail"] == "1000 rows are not valid"
    assert [each["index"] for each in problem["errors"]] == list(range(10))


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "data: is missing"),
        ({"data": None}, "data: Input should be a valid list, found None"),
        ({"data": "abc"}, "data: Input should be a valid list, found 'abc'"),
        ({"data": []}, "data: List should have at least 1 item after validation, not 0, found a list of 0"),
        ({"data": [" "]}, "data: a row is not blank, ' ' is, found a list of 1"),
        ({"data": {"0": "a"}}, "data: Input should be a valid list, found an object of 1"),
        (["a"], "the body: Input should be a valid dictionary or object to extract fields from, found a list of 1"),
        (None, "the body: is missing"),
        (b"", "the body: is missing"),
        (b"{", "the body is not JSON: Expecting property name enclosed in double quotes at character 1"),
        (b'{"data": ["\xff"]}', "the body is not valid JSON (UnicodeDecodeError)"),
        (b"[" * 100_000, "the body is not valid JSON (RecursionError)"),
        (b'{"data": ' + b"9" * 5000 + b"}", "the body is not valid JSON (ValueError)"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_other_bad_input_is_explained_in_the_detail(body, detail):
    status, problem = post(body)
    assert status == 422
    assert problem == {"detail": detail, "errors": []}


def test_bad_path_and_query_are_named():
    answer = CLIENT.get("/versions/0?since=x")
    assert answer.status_code == 422
    assert answer.json() == {
        "detail": "version: Input should be greater than 0, found '0'; "
        "since: Input should be a valid integer, unable to parse string as an integer, found 'x'",
        "errors": [],
    }


def test_a_content_type_that_is_not_json_is_refused():
    assert CLIENT.post("/rows", content=b'{"data": ["a"]}', headers={"Content-Type": "text/plain"}).status_code == 422
    assert CLIENT.post("/rows", content=b'{"data": ["a"]}').status_code == 422  # a browser's way round CORS


def test_text_that_utf8_cannot_carry_does_not_break_the_answer():
    status, problem = post(b'{"data": "\\ud800"}')
    assert (status, problem["detail"]) == (422, r"data: Input should be a valid list, found '\ud800'")
    status, problem = post(b'{"data": ["echo \\ud800"]}')
    assert (status, problem["detail"]) == (422, r"invalid Unicode text: '\ud800'")


def test_huge_input_is_not_echoed():
    status, problem = post({"data": "x" * 1_000_000})
    assert status == 422
    assert len(problem["detail"]) < 120
    status, problem = post({"data": ["echo" + "x" * 1_000_000]})
    assert len(problem["detail"]) < 300


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(json_values | st.builds(lambda value: {"data": value}, json_values))
def test_any_json_gets_an_answer_in_shape(value):
    status, problem = post(value)
    if status != 200:
        assert status == 422
        Problem.model_validate(problem)


@given(st.binary(max_size=50))
def test_any_bytes_get_an_answer_in_shape(body):
    status, problem = post(body)
    assert status == 422
    Problem.model_validate(problem)


@pytest.mark.parametrize(
    ("name", "what"),
    [("disk", "storage"), ("network", "storage"), ("s3", "storage"), ("s3-refused", "storage"), ("db", "database")],
)
def test_what_is_not_available_is_503(name, what):
    answer = CLIENT.get(f"/raise/{name}")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith(f"the {what} is unavailable (")
    assert "secret" not in answer.text
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("name", ["missing", "bug"])
def test_errors_of_our_own_are_500(name):
    assert CLIENT.get(f"/raise/{name}").status_code == 500


def test_a_route_raises_problems_of_its_own():
    answer = CLIENT.get("/raise/problem")
    assert answer.status_code == 409
    assert answer.json() == {"detail": "busy", "errors": [{"index": 4, "reason": "taken"}]}


def test_unknown_paths_and_methods_have_the_shape_too():
    assert CLIENT.get("/nowhere").json() == {"detail": "Not Found", "errors": []}
    answer = CLIENT.delete("/rows")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json() == {"detail": "Method Not Allowed", "errors": []}


def test_the_statuses_are_documented_with_the_shape():
    responses = app().openapi()["paths"]["/rows"]["post"]["responses"]
    assert set(responses) == {"200", "400", "422", "503"}
    for status in ("400", "422", "503"):
        schema = responses[status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
