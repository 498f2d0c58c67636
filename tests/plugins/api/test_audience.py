"""The audience API, on SQLite and on MariaDB, mostly without Airflow behind it."""

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select, update

from include.audience import coverage, rules, state, tables
from include.audience.plan import Plan
from include.audience.request import LabelingRequest, make_task
from include.audience.sampling import sample
from include.audience.settings import AudienceSettings
from include.core.database.bulk import insert_rows
from include.core.database.engine import open_engine
from include.core.storage import write_json, write_whole
from quartet.api.audience import app as audience
from quartet.api.common import runs
from quartet.api.common.errors import ApiError
from tests.support.api_client import Client

RULES = 'panel,keyword,match_type\nmale,mark,partially\nfemale,lily,partially\nfemale,ann,"start,end"\n'
KEYS = [
    "task_id", "stat", "prod_stat", "model_type", "predict_type", "date_range", "target_table", "create_time",
    "peak_memory", "length_receive_table", "length_output_table", "length_prod_table", "result", "uniq_source_author",
    "rate_of_label", "run_time", "check_point", "error_message",
]  # fmt: skip
COLUMNS = ["id", "task_id", "source_author", "panel", "create_time", "field_content", "match_content"]
UNKNOWN = "task id is not exist, plz re-check the task id."
NO_SUCH = "f" * 32
FBFANS = {"table_name": "wh_panel_mapping_fbfans"}
INJECTIONS = [
    "x' OR '1'='1", '"; DROP TABLE state; --', "%' --", "a\\", "\u2028", "王小明", "\U0001f600", "a" * 500, "%s",
]  # fmt: skip


@pytest.fixture
def environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give a patch with no setting of the workflow but rules of our own."""
    for name in AudienceSettings.model_fields:
        monkeypatch.delenv(AudienceSettings.variable(name), raising=False)
    folder = home / "rules" / "keyword_model"
    folder.mkdir(parents=True)
    (folder / "author_name.csv").write_text(RULES)
    monkeypatch.setenv("AUDIENCE_RULES_DIR", str(home / "rules"))
    return monkeypatch


@pytest.fixture(params=["sqlite", "mariadb"])
def settings(request: pytest.FixtureRequest, environment: pytest.MonkeyPatch) -> AudienceSettings:
    """Give the settings of an empty result schema."""
    if request.param == "mariadb":
        url = request.getfixturevalue("mariadb")
        for name in ("host", "port", "password"):
            environment.setenv(f"OUTPUT_{name.upper()}", str(getattr(url, name) or ""))
        environment.setenv("OUTPUT_USER", url.username)
        environment.setenv("OUTPUT_SCHEMA", url.database)
    return AudienceSettings.load()


@pytest.fixture
def engine(settings: AudienceSettings) -> Iterator[Engine]:
    """Give the result schema with its table `state`."""
    with open_engine(settings.result_url(settings.output_schema)) as engine:
        tables.ensure(engine, [tables.STATE, tables.PROGRESS, tables.COVERAGE])
        yield engine


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any], str]]:
    """Take the place of Airflow: give the list of DAG runs that were started."""
    found: list[tuple[str, dict[str, Any], str]] = []

    async def trigger(request, dag_id, conf, run_id=None, note=None):
        found.append((dag_id, conf, run_id))
        return run_id

    monkeypatch.setattr(runs, "trigger", trigger)
    return found


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Take the place of Airflow: give the list of DAG runs that were ended."""
    found: list[tuple[str, str]] = []

    async def end(request, dag_id, run_id):
        found.append((dag_id, run_id))

    monkeypatch.setattr(runs, "fail", end)
    return found


@pytest.fixture
def open_client(signed_in) -> Callable[..., Any]:
    """Give a function that makes an app from the settings of now and a client of it, as an administrator."""

    @contextmanager
    def opened() -> Iterator[TestClient]:
        app = audience.create_app()
        signed_in(app, "admin")
        with TestClient(app, follow_redirects=False) as client:
            yield client

    return opened


@pytest.fixture
def client(settings, started, open_client) -> Iterator[TestClient]:
    """Give a client of the app on an empty schema."""
    with open_client() as client:
        yield client


@pytest.fixture
def no_database(environment, started, open_client) -> Iterator[TestClient]:
    """Give a client of an app whose server refuses to speak, with passwords that would show anywhere."""
    environment.setenv("INPUT_PASSWORD", "p@ss:w/rd%41")
    environment.setenv("OUTPUT_PASSWORD", "p@ss:w/rd%41&more")
    environment.setenv("OUTPUT_USER", "nobody")
    environment.setenv("OUTPUT_HOST", "127.0.0.1")
    environment.setenv("OUTPUT_PORT", "1")
    with open_client() as client:
        yield client


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/tasks/", json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def add(engine: Engine, instant: float = 1e9, /, **columns: Any) -> str:
    """Insert a task and set columns of its row; give its id."""
    task = make_task(LabelingRequest(target_schema="wh_fb"), AudienceSettings.load())
    now = datetime(2021, 11, 9, 15, 5, 45)
    state.insert_task(engine, task, f"api__{task.task_id}", now, instant)
    if columns:
        with engine.begin() as connection:
            connection.execute(update(tables.STATE).where(tables.STATE.c.task_id == task.task_id).values(columns))
    return task.task_id


def fill(engine: Engine, name: str, task_id: str, count: int, seconds: int = 60) -> None:
    """Write rows of a task, one each so many seconds, those with the same time in falling order of their ids."""
    table = tables.temp(name)
    tables.ensure(engine, [table])
    rows = [
        (f"{count - number:06}", task_id, f"WH_F0045_王{number}", "/female",
         datetime(2020, 1, 1) + timedelta(seconds=number // 2 * seconds), "WH_F0045", "王")
        for number in range(count)
    ]  # fmt: skip
    with engine.begin() as connection:
        insert_rows(connection, table, COLUMNS, rows)


def rows_of(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(tables.STATE)))


class TestCreate:
    """`POST /api/tasks/`."""

    def test_a_task_is_answered_with_all_fields_in_order(self, client, engine, settings, started):
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

    def test_the_empty_object_is_a_task_and_both_spellings_answer(self, client, settings):
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
    def test_times(self, client, started, fields, date_range):
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
    def test_values_that_are_taken(self, client, started, field, value, shown):
        assert create(client, **{field: value})["error_message"][field] == shown
        assert started[0][1][field] == shown

    @pytest.mark.parametrize("field", ["target_schema", "target_table", "output_schema"])
    @pytest.mark.parametrize(
        "name", ["", "a" * 65, "a b", "a.b", "a`b", "a'b", 'a"b', "a;b", "../a", "a\n", "é", *INJECTIONS[:4]]
    )
    def test_other_names_are_refused(self, no_database, field, name):
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
    def test_wrong_types_and_values_are_422(self, no_database, field, value):
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
    def test_what_is_not_an_object_is_422(self, no_database, content):
        for path in ("/api/tasks/", "/api/tasks"):
            answer = no_database.post(path, content=content, headers={"Content-Type": "application/json"})
            assert answer.status_code == 422
            assert answer.json()["detail"][0]["loc"][0] == "body"
            assert set(answer.json()["detail"][0]) == {"type", "loc", "msg"}

    def test_deep_values_of_unknown_fields_do_no_harm(self, client):
        content = b'{"a": ' + b"[" * 900 + b"]" * 900 + b', "b": "\\ud800", "c": NaN}'
        answer = client.post("/api/tasks/", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error_code"]) == (200, 200)

    def test_another_content_type_and_large_bodies_are_refused(self, no_database):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            answer = no_database.post("/api/tasks/", content=b"{}", headers={"Content-Type": kind})
            assert answer.status_code == 422
        assert no_database.post("/api/tasks/", content=b"{}").status_code == 422
        assert no_database.post("/api/tasks/", content=b" " * (1 << 20) + b"{}").status_code == 413

    @given(
        st.dictionaries(
            st.sampled_from(list(LabelingRequest.model_fields)),
            st.none()
            | st.integers()
            | st.floats()
            | st.text(st.characters(exclude_categories=[]))
            | st.lists(st.text()),
        )
    )
    @hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
    def test_any_fields_get_an_answer(self, no_database, fields):
        content = json.dumps(fields).encode()
        answer = no_database.post("/api/tasks/", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code in (200, 422)
        if answer.status_code == 200:
            assert answer.json()["error_code"] in (400, 503)

    @pytest.mark.parametrize("end", ["2020-01-01 00:00:00", "2019-12-31 23:59:59", "2019-12-31T16:00:00Z"])
    def test_an_empty_range_is_400_before_any_look_at_a_database(self, no_database, end):
        answer = create(no_database, end_time=end, model_type="x", output_schema="elsewhere")
        assert answer == {"error_code": 400, "error_message": "start_time must be earlier than end_time"}

    def test_a_database_that_is_not_there_is_503_before_the_rules(self, no_database, started):
        answer = create(no_database, model_type="no such")
        assert answer["error_code"] == 503
        assert answer["error_message"].startswith("cannot connect to output schema, additional error message: (2003, ")
        assert started == []

    def test_a_schema_that_is_not_there_is_503(self, client, settings, environment, open_client):
        if not settings.output_host:
            pytest.skip("SQLite makes it")
        environment.setenv("OUTPUT_SCHEMA", f"no_{uuid.uuid4().hex}")
        with open_client() as client:
            answer = create(client)
        assert answer["error_code"] == 503
        assert "(1049, " in answer["error_message"]

    def test_another_schema_is_503_unless_it_is_allowed(self, client, environment, open_client, settings, home):
        answer = create(client, output_schema="elsewhere")
        expected = "output schema elsewhere is not allowed, see AUDIENCE_ALLOWED_SCHEMAS"
        assert answer["error_code"] == 503
        assert answer["error_message"].endswith(f"additional error message: {expected}")
        if not settings.output_host:
            environment.setenv("AUDIENCE_ALLOWED_SCHEMAS", "elsewhere")
            with open_client() as client:
                assert create(client, output_schema="elsewhere")["error_message"]["output_schema"] == "elsewhere"
            assert (home / "data/audience/elsewhere.db").exists()

    def test_a_data_folder_that_cannot_be_made_is_503_without_its_path(self, environment, home, open_client, started):
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
    def test_rules_that_are_not_there_are_501(self, environment, open_client, home, started, fields):
        with open_client() as client:
            answer = create(client, **fields)
        assert answer["error_code"] == 501
        assert answer["error_message"].startswith(
            "cannot read pattern file, probably unknown file path or file is not exist, additional error message: "
        )
        assert len(answer["error_message"]) < 300
        assert str(home) not in answer["error_message"]
        assert started == []

    def test_bad_rules_are_501_with_their_line(self, client, engine, home, started):
        path = home / "rules/keyword_model/author_name.csv"
        path.write_text("panel,keyword,match_type\nmale,mark,sideways\n")
        answer = create(client)
        assert answer["error_code"] == 501
        assert "keyword_model/author_name.csv, line 2: " in answer["error_message"]
        assert str(home) not in answer["error_message"]
        assert (rows_of(engine), started) == ([], [])

    def test_the_row_is_there_before_the_run(self, client, engine, monkeypatch):
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
    def test_a_run_that_does_not_start_is_500_and_a_failure(self, client, engine, monkeypatch, error, told):
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

    def test_a_row_that_is_not_written_is_500_and_starts_nothing(self, client, started, monkeypatch):
        def refuse(*_: Any) -> None:
            raise OSError(28, "No space left on device", "/secret/path")

        monkeypatch.setattr(state, "insert_task", refuse)
        answer = create(client)
        assert answer == {
            "error_code": 500,
            "error_message": "failed to start a labeling task, additional error message: No space left on device",
        }
        assert started == []

    def test_a_viewer_may_not(self, settings, started, signed_in):
        app = audience.create_app()
        with TestClient(app) as client:
            for role, status in (("viewer", 403), (None, 401)):
                signed_in(app, role)
                assert client.post("/api/tasks/", json={}).status_code == status
                assert client.post(f"/api/tasks/{NO_SUCH}/abort").status_code == status
            signed_in(app, "viewer")
            assert client.get("/api/tasks/").status_code == 200


class TestList:
    """`GET /api/tasks/`."""

    def test_before_the_first_task_it_is_empty(self, client, home):
        for path in ("/api/tasks/", "/api/tasks"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert answer.json() == {"error_code": 200, "error_message": "OK", "content": []}
        assert not (home / "data/audience/audience_result.db").exists()

    def test_a_task_has_these_keys_in_this_order(self, client, engine):
        task_id = add(
            engine, stat="SUCCESS", prod_stat="finish", length_receive_table=2376186, length_output_table=308246,
            length_prod_table="236705", result="fbfans", uniq_source_author="1672893", rate_of_label="14.15",
            run_time=1.63621,
        )  # fmt: skip
        answer = client.get("/api/tasks/").json()
        assert list(answer) == ["error_code", "error_message", "content"]
        assert list(answer["content"][0].items()) == list(
            zip(
                KEYS,
                [
                    task_id, "SUCCESS", "finish", "keyword_model", "author",
                    "2020-01-01 00:00:00 - 2021-01-01 00:00:00", "wh_fb", "2021-11-09T15:05:45", None, 2376186,
                    308246, 236705, "fbfans", "1672893", "14.15", 1.63621, None, None,
                ],
                strict=True,
            )
        )  # fmt: skip

    def test_lists_failures_and_fresh_tasks(self, client, engine):
        add(
            engine, 3, length_prod_table="2,5,3", stat="FAILURE", error_message="why", check_point=datetime(2020, 3, 18)
        )
        add(engine, 2)
        first, second = client.get("/api/tasks").json()["content"]
        assert (first["length_prod_table"], first["error_message"]) == ("2,5,3", "why")
        assert first["check_point"] == "2020-03-18T00:00:00"
        assert {key: second[key] for key in KEYS[8:]} == dict.fromkeys(KEYS[8:]) | {"result": ""}
        assert (second["stat"], second["prod_stat"]) == ("PENDING", None)

    def test_the_newest_come_first_also_within_a_second(self, client, engine):
        ids = [add(engine, 1e9 + number / 1000) for number in (3, 1, 6, 2, 5, 4)]
        old = add(engine, 2e9, create_time=datetime(2021, 11, 9, 15, 5, 44))
        found = [row["task_id"] for row in client.get("/api/tasks/").json()["content"]]
        assert found == [ids[2], ids[4], ids[5], ids[0], ids[3]]
        assert old not in found

    def test_its_length_is_a_setting(self, settings, engine, environment, open_client):
        for _ in range(3):
            add(engine)
        environment.setenv("AUDIENCE_LIST_LENGTH", "2")
        with open_client() as client:
            assert len(client.get("/api/tasks/").json()["content"]) == 2

    def test_tasks_created_quickly_are_listed_in_their_order(self, client):
        ids = [create(client)["error_message"]["task_id"] for _ in range(5)]
        assert [row["task_id"] for row in client.get("/api/tasks/").json()["content"]] == ids[::-1]

    def test_no_database(self, no_database):
        for path in ("/api/tasks/", "/api/tasks"):
            answer = no_database.get(path)
            assert answer.status_code == 200
            assert answer.json() == {"error_code": 500, "error_message": "cannot connect to state table", "content": []}


class TestStatus:
    """`GET /api/tasks/{task_id}`."""

    def test_the_status_in_both_spellings(self, client, engine):
        task_id = add(engine)
        for path in (f"/api/tasks/{task_id}", f"/api/tasks/{task_id}/"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert list(answer.json().items()) == [
                ("error_code", 200), ("error_message", "OK"), ("status", "PENDING"), ("prod_status", None),
                ("result", ""),
            ]  # fmt: skip

    def test_the_end_and_a_failure(self, client, engine):
        done = add(engine, stat="SUCCESS", prod_stat="finish", result="fbfans,forum")
        assert client.get(f"/api/tasks/{done}").json() == {
            "error_code": 200, "error_message": "OK", "status": "SUCCESS", "prod_status": "finish",
            "result": "fbfans,forum",
        }  # fmt: skip
        failed = add(engine, stat="FAILURE", error_message="it's so")
        answer = client.get(f"/api/tasks/{failed}").json()
        assert list(answer) == ["error_code", "error_message", "status", "prod_status", "result", "detail"]
        assert (answer["status"], answer["detail"]) == ("FAILURE", "it's so")

    @pytest.mark.parametrize("task_id", [NO_SUCH, "x", *INJECTIONS, "a%00b", "%FF"])
    def test_unknown_ids(self, client, engine, task_id):
        known = add(engine)
        for path in (f"/api/tasks/{task_id}", f"/api/tasks/{task_id}/"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert list(answer.json()) == ["error_code", "error_message", "status", "prod_status", "result"]
            message = answer.json().pop("error_message")
            assert message.startswith(f"{UNKNOWN} Addition error message: there is no task ")
            assert answer.json() | {"error_message": ""} == {
                "error_code": 400, "error_message": "", "status": None, "prod_status": None, "result": None,
            }  # fmt: skip
        assert client.get(f"/api/tasks/{known}%20").json()["error_code"] == 400  # the column's collation pads

    def test_before_the_first_task(self, client):
        assert client.get(f"/api/tasks/{NO_SUCH}").json()["error_code"] == 400

    def test_no_database(self, no_database):
        answer = no_database.get(f"/api/tasks/{NO_SUCH}").json()
        assert answer["error_code"] == 400
        assert answer["error_message"].startswith(f"{UNKNOWN} Addition error message: (2003, ")
        assert (answer["status"], answer["prod_status"], answer["result"]) == (None, None, None)


class TestSample:
    """`GET /api/tasks/{task_id}/sample/`."""

    def test_a_row_and_its_keys_in_both_spellings(self, client, engine):
        task_id = add(engine, stat="SUCCESS", prod_stat="finish")
        fill(engine, "wh_panel_mapping_fbfans", task_id, 1)
        for path in (f"/api/tasks/{task_id}/sample/", f"/api/tasks/{task_id}/sample"):
            answer = client.get(path, params=FBFANS)
            assert answer.status_code == 200
            assert answer.json()["error_code"] == 200
            [row] = answer.json()["error_message"]
            assert list(row.items()) == [
                ("id", "000001"), ("task_id", task_id), ("source_author", "WH_F0045_王0"), ("panel", "/female"),
                ("create_time", "2020-01-01T00:00:00"), ("field_content", "WH_F0045"), ("match_content", "王"),
            ]  # fmt: skip

    @pytest.mark.parametrize("count", [1, 4, 49, 50, 51, 300])
    def test_it_is_never_empty_and_ordered(self, client, engine, count):
        task_id = add(engine, stat="SUCCESS")
        fill(engine, "wh_panel_mapping_fbfans", task_id, count)
        fill(engine, "wh_panel_mapping_fbfans", NO_SUCH, 80)
        for _ in range(5):
            found = client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_message"]
            assert len(found) == min(50, count)
            assert {row["task_id"] for row in found} == {task_id}
            assert found == sorted(found, key=lambda row: (row["create_time"], row["id"]))
            assert len({row["id"] for row in found}) == len(found)

    @pytest.mark.parametrize("seconds", [0, 60])
    def test_each_row_has_the_same_chance(self, engine, seconds):
        task_id = add(engine)
        fill(engine, "fbfans", task_id, 40, seconds)
        seen = Counter(row["id"] for _ in range(160) for row in sample(engine, tables.temp("fbfans"), task_id, size=10))
        assert len(seen) == 40
        squares = sum((count - 40) ** 2 / 40 for count in seen.values())
        assert squares < 90  # of 39 degrees of freedom, less than one in 100,000 is so far off

    def test_ids_that_the_source_has_twice(self, client, engine):
        task_id = add(engine, stat="SUCCESS")
        for _ in range(2):
            fill(engine, "wh_panel_mapping_fbfans", task_id, 3, 0)
        found = client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_message"]
        assert [row["id"] for row in found] == ["000001", "000001", "000002", "000002", "000003", "000003"]

    def test_tables_come_in_the_order_of_the_request_each_once(self, client, engine):
        task_id = add(engine, stat="SUCCESS")
        for name in ("Comment", "news", "forum"):
            fill(engine, f"wh_panel_mapping_{name}", task_id, {"Comment": 1, "news": 2, "forum": 3}[name])
        names = ["news", "forum", "news", "Ptt", "Comment", "forum"]
        query = {"table_name": [f"wh_panel_mapping_{name}" for name in names]}
        found = client.get(f"/api/tasks/{task_id}/sample/", params=query).json()["error_message"]
        assert [row["id"] for row in found] == ["000001", "000002", "000002", "000003", "000001", "000001"]

    def test_while_labeling_the_labelled_rows_are_sampled(self, client, engine):
        task_id = add(engine)
        assert client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_code"] == 404
        fill(engine, "fbfans", task_id, 3)
        assert len(client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_message"]) == 3
        state.fail(engine, task_id, None, "x")
        assert client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_code"] == 404

    def test_no_rows_and_no_table_are_404(self, client, engine):
        for path in (f"/api/tasks/{NO_SUCH}/sample/", f"/api/tasks/{add(engine, stat='SUCCESS')}/sample"):
            assert client.get(path, params=FBFANS).json() == {
                "error_code": 404,
                "error_message": "empty result, probably wrong combination of task_id and table_name, please check "
                "table state or use /api/tasks/{task_id} first",
            }

    def test_an_empty_platform_is_404(self, client):
        assert client.get(f"/api/tasks/{NO_SUCH}/sample/", params=FBFANS).json()["error_code"] == 404

    def test_all_seventeen_names_are_known(self, client):
        for name in [
            "blog", "Comment", "Dcard", "fbfans", "fbgroup", "fbkol", "fbpm", "fbprivategroup", "forum", "Instagram",
            "news", "plurk", "Ptt", "Tiktok", "Twitter", "video", "Youtube",
        ]:  # fmt: skip
            query = {"table_name": f"wh_panel_mapping_{name}"}
            assert client.get(f"/api/tasks/{NO_SUCH}/sample/", params=query).json()["error_code"] == 404
        assert len(audience.RESULT_TABLES) == 17

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"table_name": ""},
            {"table_name": "fbfans"},
            {"table_name": "state"},
            {"table_name": "wh_panel_mapping_FBFANS"},
            {"table_name": "wh_panel_mapping_comment"},
            {"table_name": ["wh_panel_mapping_fbfans", "x"]},
            *[{"table_name": f"wh_panel_mapping_fbfans{text}"} for text in INJECTIONS],
        ],
        ids=lambda query: str(query)[:40],
    )
    def test_other_names_are_422_before_all_else(self, no_database, query):
        answer = no_database.get("/api/tasks/short/sample/", params=query)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"][:2] == ["query", "table_name"]

    @pytest.mark.parametrize("task_id", ["x", "a" * 31, "a" * 33, "x' OR '1'='1", "王" * 5])
    def test_the_length_of_an_id_is_checked_first(self, no_database, task_id):
        for path in (f"/api/tasks/{task_id}/sample/", f"/api/tasks/{task_id}/sample"):
            assert no_database.get(path, params=FBFANS).json() == {
                "error_code": 400,
                "error_message": f"{task_id} is not in proper format, expect 32 digits get {len(task_id)} digits",
            }

    def test_only_the_length_is_checked(self, client, engine):
        fill(engine, "wh_panel_mapping_fbfans", add(engine), 3)
        answer = client.get("/api/tasks/xxxxxxxxxxxxxxxxxxx' OR '1'='1'%23/sample/", params=FBFANS).json()
        assert answer["error_code"] == 404

    def test_no_database(self, no_database):
        answer = no_database.get(f"/api/tasks/{NO_SUCH}/sample/", params=FBFANS)
        assert answer.status_code == 200
        assert answer.json()["error_code"] == 500
        assert answer.json()["error_message"].startswith(
            "Cannot scrape data from result tables. Additional error message: (2003, "
        )

    def test_its_size_is_a_setting(self, engine, environment, open_client):
        environment.setenv("AUDIENCE_SAMPLE_SIZE", "7")
        task_id = add(engine)
        fill(engine, "fbfans", task_id, 40)
        with open_client() as client:
            assert len(client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_message"]) == 7

    def test_many_rows_take_less_than_a_second(self, client, engine):
        task_id = add(engine, stat="SUCCESS")
        fill(engine, "wh_panel_mapping_fbfans", task_id, 20_000)
        begin = time.perf_counter()
        assert len(client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_message"]) == 50
        assert time.perf_counter() - begin < 1


class TestAbort:
    """`POST /api/tasks/{task_id}/abort`."""

    def test_a_running_task_in_both_spellings(self, client, engine, ended):
        for ending in ("", "/"):
            task_id = add(engine)
            answer = client.post(f"/api/tasks/{task_id}/abort{ending}")
            assert answer.status_code == 200
            assert list(answer.json().items()) == [
                ("error_code", 200), ("error_message", "OK"), ("status", "BREAK"), ("prod_status", None),
                ("result", ""),
            ]  # fmt: skip
            assert client.get(f"/api/tasks/{task_id}").json() == answer.json()
        assert ended == []

    def test_a_task_that_waits_for_production_loses_its_run(self, client, engine, ended):
        task_id = add(engine, stat="SUCCESS", result="fbfans")
        answer = client.post(f"/api/tasks/{task_id}/abort").json()
        assert (answer["status"], answer["prod_status"], answer["result"]) == ("BREAK", None, "fbfans")
        assert ended == [("audience_labeling", f"api__{task_id}")]

    def test_a_task_without_a_run_is_aborted_too(self, client, engine, ended):
        task_id = add(engine, stat="SUCCESS", dag_run_id=None)
        assert client.post(f"/api/tasks/{task_id}/abort").json()["status"] == "BREAK"
        assert ended == []

    def test_a_run_that_cannot_be_ended_is_only_logged(self, client, engine, monkeypatch, caplog):
        async def end(*_: Any) -> None:
            raise ApiError(404, "gone")

        monkeypatch.setattr(runs, "fail", end)
        task_id = add(engine, stat="SUCCESS")
        assert client.post(f"/api/tasks/{task_id}/abort").json()["status"] == "BREAK"
        assert f"its run api__{task_id} was not ended" in caplog.text

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"stat": "SUCCESS", "prod_stat": "finish"}, "the task is finished; nothing was changed"),
            ({"stat": "SUCCESS", "prod_stat": "no_data"}, "the task is finished; nothing was changed"),
            ({"stat": "FAILURE", "error_message": "why"}, "the task has failed; nothing was changed"),
            ({"stat": "BREAK"}, "the task was aborted before; nothing was changed"),
        ],
        ids=str,
    )
    def test_a_task_that_has_ended_is_left_alone(self, client, engine, ended, columns, message):
        task_id = add(engine, **columns)
        before = rows_of(engine)
        answer = client.post(f"/api/tasks/{task_id}/abort").json()
        assert (answer["error_code"], answer["error_message"]) == (200, message)
        assert answer["status"] == columns["stat"]
        assert (rows_of(engine), ended) == (before, [])

    @pytest.mark.parametrize("task_id", [NO_SUCH, *INJECTIONS])
    def test_unknown_ids(self, client, engine, ended, task_id):
        known = add(engine)
        for ending in ("", "/"):
            for unknown in (task_id, f"{known}%20"):
                answer = client.post(f"/api/tasks/{unknown}/abort{ending}").json()
                assert answer["error_code"] == 400
                assert answer["error_message"].startswith(UNKNOWN)
                assert answer["status"] is None
        assert [row.stat for row in rows_of(engine)] == ["PENDING"]

    def test_before_the_first_task_no_file_is_made(self, client, home):
        assert client.post(f"/api/tasks/{NO_SUCH}/abort").json()["error_code"] == 400
        assert not (home / "data/audience/audience_result.db").exists()

    def test_no_database(self, no_database):
        answer = no_database.post(f"/api/tasks/{NO_SUCH}/abort").json()
        assert answer["error_code"] == 400
        assert answer["error_message"].startswith(f"{UNKNOWN} Addition error message: (2003, ")


class TestCoverage:
    """`GET /api/tasks/{task_id}/coverage`."""

    @pytest.fixture
    def task_id(self, engine: Engine, home: Path) -> str:
        """Give a labelled task with counts of two batches and its pinned rules."""
        task_id = add(engine, stat="SUCCESS", length_receive_table=20)
        male, female = (0, "male"), (1, "female")
        whole, rest = coverage.WHOLE, coverage.ALL
        counts = [
            (0, *male[::-1], 3, 2, 1),
            (1, *male[::-1], 1, 1, 0),
            (0, *female[::-1], 2, 1, 1),
            (0, "male", whole, 3, 2, 1),
            (1, "male", whole, 1, 1, 0),
            (0, "female", whole, 2, 1, 1),
            (0, rest, whole, 4, 3, 1),
            (1, rest, whole, 1, 1, 0),
        ]
        with engine.begin() as connection:
            for each in (task_id, NO_SUCH):
                rows = [(each, *row) for row in counts]
                insert_rows(connection, tables.COVERAGE, tables.COVERAGE.columns.keys(), rows)
        pin(home, task_id)
        return task_id

    def test_sums_of_all_batches_in_the_order_of_the_rules(self, client, task_id):
        for ending in ("", "/"):
            answer = client.get(f"/api/tasks/{task_id}/coverage{ending}").json()
            assert list(answer) == ["error_code", "error_message", "content"]
            assert (answer["error_code"], answer["error_message"]) == (200, "OK")
            ann = {"panel": "/female", "pattern": "ann", "match_type": "start,end"}
            mark = {"panel": "/male", "pattern": "mark", "match_type": "partially"}
            lily = {"panel": "/female", "pattern": "lily", "match_type": "partially"}
            assert answer["content"] == {
                "totals": {"received": 20, "matched": 5, "unmatched": 15, "sole": 4, "conflict": 1},
                "panels": [
                    {"panel": "/female", "matched": 2, "sole": 1, "conflict": 1},
                    {"panel": "/male", "matched": 4, "sole": 3, "conflict": 1},
                ],
                "patterns": [
                    mark | {"matched": 4, "sole": 3, "conflict": 1},
                    lily | {"matched": 2, "sole": 1, "conflict": 1},
                    ann | {"matched": 0, "sole": 0, "conflict": 0},
                ],
                "never_fired": [ann],
            }
            assert list(answer["content"]["totals"]) == ["received", "matched", "unmatched", "sole", "conflict"]
            assert list(answer["content"]["patterns"][0]) == [
                "panel", "pattern", "match_type", "matched", "sole", "conflict",
            ]  # fmt: skip

    def test_the_rules_of_now_do_not_matter(self, client, task_id, home):
        (home / "rules/keyword_model/author_name.csv").write_text("panel,keyword,match_type\nx,y,start\n")
        assert len(client.get(f"/api/tasks/{task_id}/coverage").json()["content"]["patterns"]) == 3

    def test_a_task_without_labels(self, client, engine, task_id):
        with engine.begin() as connection:
            connection.execute(delete(tables.COVERAGE))
        content = client.get(f"/api/tasks/{task_id}/coverage").json()["content"]
        assert content["totals"] == {"received": 20, "matched": 0, "unmatched": 20, "sole": 0, "conflict": 0}
        assert len(content["never_fired"]) == 3

    @pytest.mark.parametrize(
        ("stat", "advice"),
        [
            ("PENDING", "ask again later"),
            ("FAILURE", "clear its failed tasks in Airflow to resume it, or create another task"),
            ("BREAK", "create another task"),
        ],
    )
    def test_a_task_that_is_not_labelled_is_404(self, client, engine, stat, advice):
        answer = client.get(f"/api/tasks/{add(engine, stat=stat)}/coverage").json()
        assert answer == {
            "error_code": 404,
            "error_message": f"the task has the status {stat}, its coverage is known with SUCCESS: {advice}",
            "content": None,
        }

    def test_rules_that_are_gone_are_404_and_damaged_ones_500(self, client, engine, task_id, home):
        other = add(engine, stat="SUCCESS")
        assert client.get(f"/api/tasks/{other}/coverage").json()["error_code"] == 404
        (home / f"data/audience/tasks/{task_id}/rules.csv").write_text("panel,keyword,match_type\nx,y,start\n")
        answer = client.get(f"/api/tasks/{task_id}/coverage").json()
        assert answer["error_code"] == 500
        assert str(home) not in answer["error_message"]
        (home / f"data/audience/tasks/{task_id}/rules.csv").unlink()
        answer = client.get(f"/api/tasks/{task_id}/coverage").json()
        assert answer["error_message"].endswith("additional error message: No such file or directory")

    @pytest.mark.parametrize("task_id", [NO_SUCH, "..", "../..", *INJECTIONS])
    def test_unknown_ids(self, client, engine, task_id):
        add(engine)
        answer = client.get(f"/api/tasks/{task_id.replace('/', '%2F').replace('.', '%2E')}/coverage")
        if answer.status_code != 404:  # a slash makes it another path
            assert (answer.json()["error_code"], answer.json()["content"]) == (400, None)
            assert answer.json()["error_message"].startswith(UNKNOWN)

    def test_an_id_that_is_none_does_not_become_a_path(self, client, engine):
        add(engine, task_id="..", stat="SUCCESS")
        assert client.get("/api/tasks/%2E%2E/coverage").json()["error_code"] == 400

    def test_no_database(self, no_database):
        answer = no_database.get(f"/api/tasks/{NO_SUCH}/coverage").json()
        assert (answer["error_code"], answer["content"]) == (500, None)
        assert answer["error_message"].startswith("cannot read the coverage, additional error message: (2003, ")


def pin(home: Path, task_id: str) -> None:
    """Pin the rules of a task as the workflow does."""
    task = make_task(LabelingRequest(), AudienceSettings.load(), task_id)
    pinned = rules.parse_csv(RULES, "keyword_model", "author_name", "rules.csv")
    plan = Plan(task, 6, "drop", pinned.checksum, "", [[(0, 0)]])
    folder = home / "data/audience/tasks" / task_id
    write_whole(folder / "rules.csv", pinned.as_csv().encode())
    write_json(folder / "plan.json", asdict(plan) | {"task": task.as_json()})


def test_no_answer_shows_a_password(no_database):
    for answer in [
        no_database.post("/api/tasks/", json={}),
        no_database.get("/api/tasks/"),
        no_database.get(f"/api/tasks/{NO_SUCH}"),
        no_database.get(f"/api/tasks/{NO_SUCH}/sample/", params=FBFANS),
        no_database.post(f"/api/tasks/{NO_SUCH}/abort"),
        no_database.get(f"/api/tasks/{NO_SUCH}/coverage"),
    ]:
        assert answer.status_code == 200
        for part in ("p@ss", "w/rd", "%41", "p%40ss", "more", "SELECT", "sqlalche", str(Path.cwd())):
            assert part not in answer.text


def test_a_wrong_password_is_refused_without_showing_it(mariadb, environment, started, open_client):
    for name, value in {
        "HOST": mariadb.host, "PORT": str(mariadb.port), "USER": "nobody", "PASSWORD": "p@ss:w/rd%41",
        "SCHEMA": mariadb.database,
    }.items():  # fmt: skip
        environment.setenv(f"OUTPUT_{name}", value)
    with open_client() as client:
        answer = create(client)
        assert answer["error_code"] == 503
        assert "(1045, " in answer["error_message"] or "(1698, " in answer["error_message"]
        assert "p@ss" not in answer["error_message"]
        assert client.get("/api/tasks/").json()["error_code"] == 500


def test_a_password_in_a_stored_text_is_not_shown(settings, engine, environment, started, open_client):
    task_id = add(engine, stat="FAILURE", error_message="user x with hunter22 was refused")
    environment.setenv("INPUT_PASSWORD", "hunter22")
    with open_client() as client:
        assert client.get(f"/api/tasks/{task_id}").json()["detail"] == "user x with *** was refused"
        assert client.get("/api/tasks/").json()["content"][0]["error_message"] == "user x with *** was refused"


def test_a_file_that_is_no_database(environment, home, started, open_client):
    (home / "data/audience").mkdir(parents=True)
    (home / "data/audience/audience_result.db").write_text("no database" * 1000)
    with open_client() as client:
        assert create(client)["error_code"] == 503
        assert client.get("/api/tasks/").json()["error_code"] == 500
        assert client.get(f"/api/tasks/{NO_SUCH}").json()["error_code"] == 400
        assert client.get(f"/api/tasks/{NO_SUCH}/sample/", params=FBFANS).json()["error_code"] == 500
        assert client.get(f"/api/tasks/{NO_SUCH}/coverage").json()["error_code"] == 500
        assert client.post(f"/api/tasks/{NO_SUCH}/abort").json()["error_code"] == 400


def test_no_path_is_redirected_and_the_documents_name_each_once(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {path: sorted(methods) for path, methods in paths.items()} == {
        "/api/tasks/": ["get", "post"],
        "/api/tasks/{task_id}": ["get"],
        "/api/tasks/{task_id}/sample/": ["get"],
        "/api/tasks/{task_id}/abort": ["post"],
        "/api/tasks/{task_id}/coverage": ["get"],
    }
    assert client.get("/docs/").status_code == 404


class TestInAirflow:
    """Behind Airflow's own app."""

    @pytest.fixture
    def airflow(self, airflow: Client) -> Client:
        airflow.cookies.clear()
        return airflow

    def test_a_task_becomes_a_run_and_an_abort_ends_it(self, airflow):
        admin = airflow.as_user("admin")
        answer = airflow.post("/audience/api/tasks/", json={"countdown": 7}, headers=admin).json()
        assert answer["error_code"] == 200
        task_id = answer["error_message"]["task_id"]
        url = f"/api/v2/dags/audience_labeling/dagRuns/api__{task_id}"
        run = airflow.get(url, headers=admin).json()
        assert (run["conf"]["task_id"], run["conf"]["countdown"]) == (task_id, 7)
        assert run["triggering_user_name"] == "admin"

        settings = AudienceSettings.load()
        with open_engine(settings.result_url(settings.output_schema)) as engine, engine.begin() as connection:
            connection.execute(
                update(tables.STATE).where(tables.STATE.c.task_id == task_id).values(stat="SUCCESS", result="fbfans")
            )
        viewer = airflow.as_user("viewer")
        assert airflow.post(f"/audience/api/tasks/{task_id}/abort", headers=viewer).status_code == 403
        assert airflow.get(f"/audience/api/tasks/{task_id}", headers=viewer).json()["status"] == "SUCCESS"
        answer = airflow.post(f"/audience/api/tasks/{task_id}/abort", headers=admin).json()
        assert (answer["error_message"], answer["status"]) == ("OK", "BREAK")
        assert airflow.get(url, headers=admin).json()["state"] == "failed"

    def test_a_dag_that_airflow_does_not_know_is_500_and_a_failure(self, airflow, monkeypatch):
        monkeypatch.setattr(audience, "DAG", "no_such_dag")
        admin = airflow.as_user("admin")
        answer = airflow.post("/audience/api/tasks", json={}, headers=admin).json()
        assert answer["error_code"] == 500
        assert "no_such_dag" in answer["error_message"]
        newest = airflow.get("/audience/api/tasks", headers=admin).json()["content"][0]
        assert (newest["stat"], newest["error_message"]) == ("FAILURE", answer["error_message"])
