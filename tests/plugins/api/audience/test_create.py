"""`POST /api/tasks/`."""

import json
import re
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from include.audience.request import LabelingRequest
from include.audience.results import state
from quartet.api.audience.app import create_app
from quartet.api.common import runs
from quartet.api.common.errors import ApiError
from tests.support.audience_api import (
    INJECTIONS,
    NO_SUCH,
    create,
    rows_of,
)


def test_a_task_is_answered_with_all_fields_in_order(client, engine, settings, started):
    answer = create(client, target_schema="wh_fb_ex_02", unknown=1)
    assert list(answer) == ["error_code", "error_message"]
    task_id = answer["error_message"]["task_id"]
    assert list(answer["error_message"].items()) == [
        ("model_type", "keyword_model"),
        ("predict_type", "author"),
        ("start_time", "2020-01-01T00:00:00"),
        ("end_time", "2021-01-01T00:00:00"),
        ("target_schema", "wh_fb_ex_02"),
        ("target_table", "ts_page_content"),
        ("output_schema", settings.output_schema),
        ("countdown", 5),
        ("queue", "queue1"),
        ("date_range", "2020-01-01 00:00:00 - 2021-01-01 00:00:00"),
        ("task_id", task_id),
    ]
    assert re.fullmatch("[0-9a-f]{32}", task_id)
    [row] = rows_of(engine)
    assert (row.task_id, row.dag_run_id, row.target_table) == (task_id, f"api__{task_id}", "wh_fb_ex_02")
    assert (row.stat, row.prod_stat, row.predict_type, row.result) == ("PENDING", None, "author", "")
    assert abs(row.create_time - datetime.now(settings.zone).replace(tzinfo=None)) < timedelta(seconds=30)
    [(dag_id, conf, run_id)] = started
    assert (dag_id, run_id) == ("audience_labeling", f"api__{task_id}")
    expected = answer["error_message"] | {"task_id": task_id}
    expected.pop("date_range")
    assert conf == expected


def test_the_empty_object_is_a_task_and_both_spellings_answer(client, settings):
    ids = set()
    for path in ("/api/tasks/", "/api/tasks"):
        answer = client.post(path, json={})
        assert answer.status_code == 200
        assert answer.json()["error_code"] == 200
        assert answer.json()["error_message"]["target_schema"] == settings.input_schema
        ids.add(answer.json()["error_message"]["task_id"])
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("fields", "date_range"),
    [
        ({"start_time": "2020-06-01 00:00:00"}, "2020-06-01 00:00:00 - 2021-01-01 00:00:00"),
        ({"end_time": "2020-06-01T12:00:00"}, "2020-01-01 00:00:00 - 2020-06-01 12:00:00"),
        ({"start_time": "2020-06-01", "end_time": "2020-06-02"}, "2020-06-01 00:00:00 - 2020-06-02 00:00:00"),
        ({"start_time": "2020-06-01T00:00:00Z"}, "2020-06-01 08:00:00 - 2021-01-01 00:00:00"),
        ({"start_time": "2020-06-01 00:00:00+09:00"}, "2020-05-31 23:00:00 - 2021-01-01 00:00:00"),
        ({"start_time": "2020-06-01 10:00:00.999999"}, "2020-06-01 10:00:00 - 2021-01-01 00:00:00"),
        ({"end_time": "2020-01-01 00:00:01"}, "2020-01-01 00:00:00 - 2020-01-01 00:00:01"),
    ],
)
def test_times(client, started, fields, date_range):
    found = create(client, **fields)["error_message"]
    assert found["date_range"] == date_range
    assert f"{found['start_time']} - {found['end_time']}".replace("T", " ") == date_range
    assert (started[0][1]["start_time"], started[0][1]["end_time"]) == (found["start_time"], found["end_time"])


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("predict_type", "author", "author"),
        ("countdown", "7", 7),
        ("countdown", 0, 0),
        ("countdown", 86_400, 86_400),
        ("queue", "x' OR '1'='1", "x' OR '1'='1"),
        ("queue", "隊 \U0001f600", "隊 \U0001f600"),
        ("target_schema", "a" * 64, "a" * 64),
        ("target_table", "Odd_$-name", "Odd_$-name"),
    ],
)
def test_values_that_are_taken(client, started, field, value, shown):
    assert create(client, **{field: value})["error_message"][field] == shown
    assert started[0][1][field] == shown


@pytest.mark.parametrize("field", ["target_schema", "target_table", "output_schema"])
@pytest.mark.parametrize(
    "name", ["", "a" * 65, "a b", "a.b", "a`b", "a'b", 'a"b', "a;b", "../a", "a\n", "é", *INJECTIONS[:4]]
)
def test_other_names_are_refused(no_database, field, name):
    answer = no_database.post("/api/tasks/", json={field: name})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[(field, None) for field in LabelingRequest.model_fields],
        *[(field, 5) for field in LabelingRequest.model_fields if field != "countdown"],
        ("countdown", "x"),
        ("countdown", -1),
        ("countdown", 86_401),
        ("countdown", 1.5),
        ("countdown", 10**400),
        ("countdown", []),
        ("countdown", float("nan")),
        ("countdown", float("inf")),
        ("start_time", "yesterday"),
        ("start_time", "2020-02-30"),
        ("start_time", "2020-01-01 25:00:00"),
        ("start_time", "2020-01-01T00:00:00+99:00"),
        ("start_time", "0001-01-01"),
        ("end_time", "9999-12-31 23:59:59"),
        ("end_time", "\ud800"),
        ("end_time", {"a": 1}),
        ("model_type", "\ud800"),
        ("predict_type", "\udfff"),
        ("queue", "a\ud800"),
        ("queue", "a\0"),
        ("queue", "q" * 257),
        ("target_schema", "\ud800"),
    ],
    ids=repr,
)
def test_wrong_types_and_values_are_422(no_database, field, value):
    content = json.dumps({field: value}).encode()
    answer = no_database.post("/api/tasks/", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.content.isascii()
    [problem] = answer.json()["detail"]
    assert set(problem) == {"type", "loc", "msg"}
    assert problem["loc"] == ["body", field]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"[]", b"7", b'"x"', b"NaN", b"{", b"\xff\xfe", b'{"queue": "\xff"}', b"[" * 100_000,
        b'{"a":' * 100_000, b'{"countdown": ' + b"9" * 5_000 + b"}", b'{"a": 1} x', b'["\\ud800"]',
    ],
    ids=lambda content: repr(content[:20]),
)  # fmt: skip
def test_what_is_not_an_object_is_422(no_database, content):
    for path in ("/api/tasks/", "/api/tasks"):
        answer = no_database.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"][0] == "body"
        assert set(answer.json()["detail"][0]) == {"type", "loc", "msg"}


def test_deep_values_of_unknown_fields_do_no_harm(client):
    content = b'{"a": ' + b"[" * 900 + b"]" * 900 + b', "b": "\\ud800", "c": NaN}'
    answer = client.post("/api/tasks/", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error_code"]) == (200, 200)


def test_another_content_type_and_large_bodies_are_refused(no_database):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = no_database.post("/api/tasks/", content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 422
    assert no_database.post("/api/tasks/", content=b"{}").status_code == 422
    assert no_database.post("/api/tasks/", content=b" " * (1 << 20) + b"{}").status_code == 413


@given(
    st.dictionaries(
        st.sampled_from(list(LabelingRequest.model_fields)),
        st.none() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])) | st.lists(st.text()),
    )
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_any_fields_get_an_answer(no_database, fields):
    content = json.dumps(fields).encode()
    answer = no_database.post("/api/tasks/", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 422)
    if answer.status_code == 200:
        assert answer.json()["error_code"] in (400, 503)


@pytest.mark.parametrize("end", ["2020-01-01 00:00:00", "2019-12-31 23:59:59", "2019-12-31T16:00:00Z"])
def test_an_empty_range_is_400_before_any_look_at_a_database(no_database, end):
    answer = create(no_database, end_time=end, model_type="x", output_schema="elsewhere")
    assert answer == {"error_code": 400, "error_message": "start_time must be earlier than end_time"}


def test_a_database_that_is_not_there_is_503_before_the_rules(no_database, started):
    answer = create(no_database, model_type="no such")
    assert answer["error_code"] == 503
    assert answer["error_message"].startswith("cannot connect to output schema, additional error message: (2003, ")
    assert started == []


def test_a_schema_that_is_not_there_is_503(client, settings, environment, open_client):
    if not settings.output_host:
        pytest.skip("SQLite makes it")
    environment.setenv("OUTPUT_SCHEMA", f"no_{uuid.uuid4().hex}")
    with open_client() as client:
        answer = create(client)
    assert answer["error_code"] == 503
    assert "(1049, " in answer["error_message"]


def test_another_schema_is_503_unless_it_is_allowed(client, environment, open_client, settings, home):
    answer = create(client, output_schema="elsewhere")
    expected = "output schema elsewhere is not allowed, see AUDIENCE_ALLOWED_SCHEMAS"
    assert answer["error_code"] == 503
    assert answer["error_message"].endswith(f"additional error message: {expected}")
    if not settings.output_host:
        environment.setenv("AUDIENCE_ALLOWED_SCHEMAS", "elsewhere")
        with open_client() as client:
            assert create(client, output_schema="elsewhere")["error_message"]["output_schema"] == "elsewhere"
        assert (home / "data/audience/elsewhere.db").exists()


def test_a_data_folder_that_cannot_be_made_is_503_without_its_path(environment, home, open_client, started):
    (home / "file").write_text("")
    environment.setenv("AUDIENCE_DATA_DIR", str(home / "file" / "x"))
    with open_client() as client:
        answer = create(client)
        assert client.get("/api/tasks/").json() == {"error_code": 200, "error_message": "OK", "content": []}
    assert answer["error_code"] == 503
    assert answer["error_message"].endswith("additional error message: Not a directory")


@pytest.mark.parametrize(
    "fields",
    [
        {"model_type": "rule_model"},
        {"predict_type": "content"},
        {"predict_type": "s_area_id"},
        {"predict_type": "title"},
        {"model_type": "../rules"},
        {"model_type": ""},
        {"model_type": "x" * 10_000},
        *[{"model_type": text} for text in INJECTIONS],
        *[{"predict_type": text} for text in INJECTIONS],
    ],
    ids=lambda fields: str(fields)[:40],
)
def test_rules_that_are_not_there_are_501(environment, open_client, home, started, fields):
    with open_client() as client:
        answer = create(client, **fields)
    assert answer["error_code"] == 501
    assert answer["error_message"].startswith(
        "cannot read pattern file, probably unknown file path or file is not exist, additional error message: "
    )
    assert len(answer["error_message"]) < 300
    assert str(home) not in answer["error_message"]
    assert started == []


def test_bad_rules_are_501_with_their_line(client, engine, home, started):
    path = home / "rules/keyword_model/author_name.csv"
    path.write_text("panel,keyword,match_type\nmale,mark,sideways\n")
    answer = create(client)
    assert answer["error_code"] == 501
    assert "keyword_model/author_name.csv, line 2: " in answer["error_message"]
    assert str(home) not in answer["error_message"]
    assert (rows_of(engine), started) == ([], [])


def test_the_row_is_there_before_the_run(client, engine, monkeypatch):
    seen = []

    async def trigger(request, dag_id, conf, run_id=None, note=None):
        seen.extend((row.task_id, row.stat, row.dag_run_id) for row in rows_of(engine))
        return run_id

    monkeypatch.setattr(runs, "trigger", trigger)
    task_id = create(client)["error_message"]["task_id"]
    assert seen == [(task_id, "PENDING", f"api__{task_id}")]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ApiError(404, "The Dag with ID: `audience_labeling` was not found"), "The Dag with ID: `"),
        (RuntimeError("a secret"), "RuntimeError"),
    ],
)
def test_a_run_that_does_not_start_is_500_and_a_failure(client, engine, monkeypatch, error, told):
    async def trigger(*_: Any, **__: Any):
        raise error

    monkeypatch.setattr(runs, "trigger", trigger)
    answer = create(client)
    assert answer["error_code"] == 500
    assert answer["error_message"].startswith(f"failed to start a labeling task, additional error message: {told}")
    assert "secret" not in answer["error_message"]
    [row] = rows_of(engine)
    assert (row.stat, row.check_point, row.result) == ("FAILURE", None, "")
    assert row.error_message == answer["error_message"]
    status = client.get(f"/api/tasks/{row.task_id}").json()
    assert (status["status"], status["detail"]) == ("FAILURE", row.error_message)


def test_a_row_that_is_not_written_is_500_and_starts_nothing(client, started, monkeypatch):
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device", "/secret/path")

    monkeypatch.setattr(state, "insert_task", refuse)
    answer = create(client)
    assert answer == {
        "error_code": 500,
        "error_message": "failed to start a labeling task, additional error message: No space left on device",
    }
    assert started == []


def test_a_viewer_may_not(settings, started, signed_in):
    app = create_app()
    with TestClient(app) as client:
        for role, status in (("viewer", 403), (None, 401)):
            signed_in(app, role)
            assert client.post("/api/tasks/", json={}).status_code == status
            assert client.post(f"/api/tasks/{NO_SUCH}/abort").status_code == status
        signed_in(app, "viewer")
        assert client.get("/api/tasks/").status_code == 200
