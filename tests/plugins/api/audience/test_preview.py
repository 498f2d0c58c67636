"""`POST /api/rules/preview` and `GET /api/rules/preview/{preview_id}`."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from sqlalchemy import create_engine

from deploy.demo.audience import generate
from include.audience import layout
from include.audience.settings import AudienceSettings
from include.core.storage import write_json
from quartet.hooks.airflow_api import AirflowApiHook
from quartet.workflows import audience
from tests.support.audience_api import RULES
from tests.support.labeling import post

PATH = "/api/rules/preview"
NEW = "panel,keyword,match_type\nmale,lily,partially\n"


@pytest.fixture
def posts(environment, home) -> None:
    """Write a source schema of two posts."""
    (home / "data/audience").mkdir(parents=True, exist_ok=True)
    engine = create_engine(AudienceSettings.load().source_url("wh_demo"))
    with engine.begin() as connection:
        table = generate.source_table()
        table.create(connection)
        rows = [post("1", "Lily", "01:00"), post("2", "nobody", "02:00")]
        connection.execute(table.insert(), [row | {"post_time": str(row["post_time"])} for row in rows])
    engine.dispose()


@pytest.fixture
def local(environment, started, open_client, posts):
    """Yield a client of the app on SQLite."""
    with open_client() as client:
        yield client


def test_a_change(local):
    answer = local.post(PATH, json={"rules": NEW}).json()
    assert (answer["error_code"], answer["error_message"]) == (200, "OK")
    assert answer["content"]["moved"] == [{"from": "/female", "to": "/male", "posts": 1, "authors": 1}]
    assert answer["content"]["exact"] is True


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"rules": "panel,keyword\n"}, "rules, line 1: the header"),
        ({"rules": NEW, "start_time": "2021-01-01"}, "start_time must be earlier than end_time"),
        ({"rules": NEW, "target_schema": "nope"}, "there is no source schema nope"),
        ({"folder": "nope"}, "keyword_model/author_name.csv: a rule set was expected"),
    ],
    ids=str,
)
def test_bad_input(local, body, text):
    answer = local.post(PATH, json=body).json()
    assert (answer["error_code"], answer["content"]) == (400, None)
    assert answer["error_message"].startswith(text)


def test_an_endless_expression_is_given_up(local, environment, home, open_client):
    environment.setenv("AUDIENCE_PREVIEW_SECONDS", "1")
    body = {"model_type": "rule_model", "rules": "panel,pattern\nx,(?!y)(a+)+$\n", "predict_type": "author_name"}
    engine = create_engine(AudienceSettings.load().source_url("wh_demo"))
    with engine.begin() as connection:
        row = post("3", "a" * 60 + "!", "03:00")
        connection.execute(generate.source_table().insert(), [row | {"post_time": str(row["post_time"])}])
    engine.dispose()
    with open_client() as client:
        answer = client.post(PATH, json=body).json()
    assert answer["error_code"] == 503
    assert "AUDIENCE_PREVIEW_SECONDS" in answer["error_message"]


def test_in_the_background(local, started, home, monkeypatch):
    notes = []
    monkeypatch.setattr(AirflowApiHook, "note", lambda _, context, text: notes.append(text))
    answer = local.post(PATH, json={"rules": NEW, "background": True, "sample_posts": 0}).json()
    [(dag_id, conf, run_id)] = started
    preview_id = answer["preview_id"]
    assert (answer["error_code"], dag_id, run_id) == (202, "audience_rules_preview", f"api__{preview_id}")
    assert conf == {"preview_id": preview_id, "sample_posts": 0}  # the rules may be large
    run = SimpleNamespace(dag_id=dag_id, run_id=run_id, run_after=datetime(2026, 1, 1, tzinfo=UTC))
    assert audience.preview({"dag_run": run, "params": conf | {"target_schema": "wh_demo"}}) == preview_id
    assert notes == [f"preview {preview_id}: 1 posts and 1 authors change their panel, of 2 posts"]
    report = local.get(f"{PATH}/{preview_id}").json()
    assert report["content"] == local.post(PATH, json={"rules": NEW, "sample_posts": 0}).json()["content"]


def test_a_stored_report(local, home):
    missing = local.get(f"{PATH}/{'a' * 32}").json()
    assert (missing["error_code"], missing["content"]) == (404, None)
    content = local.post(PATH, json={"rules": RULES}).json()["content"]
    assert content["posts_changed"] == 0
    write_json(layout.preview_file(home / "data/audience", "a" * 32), content)
    assert local.get(f"{PATH}/{'a' * 32}").json()["content"] == content
    (home / "data/audience/previews" / f"{'a' * 32}.json").write_text("{")
    assert local.get(f"{PATH}/{'a' * 32}").json()["error_code"] == 500
    assert local.get(f"{PATH}/..%2F{'a' * 32}").status_code in (404, 422)
