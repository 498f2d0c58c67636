"""The pages without Airflow behind them: what they print, their headers, and their errors."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from quartet.api.common import runs
from quartet.api.common.errors import ApiError
from quartet.api.common.pages import age, number
from quartet.api.songs import pages as songs_pages
from quartet.api.songs.service import SongsService
from quartet.hooks.storage import StorageHook
from quartet.pages.app import create_app
from tests.plugins.api.songs.content import fill

HTML = {"Accept": "text/html"}
PART = {"HX-Request": "true"}
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>'\"&{{ 7*7 }}"


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app()


@pytest.fixture
def client(app: FastAPI, signed_in, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Yield a client that is signed in as a viewer; Airflow knows one DAG with one run."""
    signed_in(app, "viewer")

    async def list_dags(request, tag):
        return [{"dag_id": f"{tag}_dag", "is_paused": False, "next_dagrun_run_after": None}]

    async def list_runs(request, dag_id, *_, **__):
        run = {"dag_id": dag_id, "dag_run_id": MARKUP, "state": "failed", "run_after": "2019-02-09T06:00:00+00:00"}
        return [run]

    monkeypatch.setattr(runs, "list_dags", list_dags)
    monkeypatch.setattr(runs, "list_runs", list_runs)
    with TestClient(app, follow_redirects=False, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/songs/", "/songs/days/2019-02-08", "/songs/days/x", "/nothing"])
def test_the_policy_forbids_scripts_and_styles_in_the_page(client: TestClient, path: str):
    answer = client.get(path, headers=HTML)
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "style=" not in answer.text


def test_the_files_of_the_pages_are_served(client: TestClient):
    text = client.get("/songs/").text
    for name in ("quartet.css", "theme.js", "vendor/htmx.min.js", "quartet.js"):
        assert name in text
        assert client.get(f"/static/{name}").status_code == 200


def test_without_a_login_a_browser_is_sent_to_airflows(client: TestClient, app: FastAPI, signed_in):
    signed_in(app, None)
    answer = client.get("/songs/", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/api/v2/auth/login?next=http%3A%2F%2Ftestserver%2Fsongs%2F")
    assert client.get("/songs/").status_code == 401
    assert client.get("/overview/songs", headers=PART).headers["hx-redirect"].startswith("/api/v2/auth/login")


def test_an_empty_platform_says_what_to_do(client: TestClient):
    assert "make demo" in client.get("/songs/").text
    assert "make demo" in client.get("/overview/songs").text


def test_the_overview_shows_runs_and_results(client: TestClient):
    row = client.get("/overview/songs").text
    assert "failed" in row
    assert "songs_dag" in row
    assert client.get("/overview/nothing").status_code == 404


def test_a_workflow_that_the_caller_may_not_see_is_not_shown(client: TestClient, monkeypatch):
    async def none(request, tag):
        return []

    monkeypatch.setattr(runs, "list_dags", none)
    assert "You may not see" in client.get("/overview/songs").text


def test_if_airflow_fails_the_row_says_so(client: TestClient, monkeypatch):
    async def fail(request, tag):
        raise ApiError(503, "Airflow is unavailable")

    monkeypatch.setattr(runs, "list_dags", fail)
    answer = client.get("/overview/songs", headers=PART)
    assert (answer.status_code, answer.text.strip()) == (
        503,
        '<p class="error" role="alert">Airflow is unavailable</p>',
    )
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("fault", [OSError("no disk"), OperationalError("SELECT secret", {}, Exception("down"))])
def test_if_the_results_cannot_be_read_the_runs_are_shown(client: TestClient, monkeypatch, fault):
    def fail() -> None:
        raise fault

    monkeypatch.setattr(songs_pages, "summary", fail)
    row = client.get("/overview/songs").text
    assert "cannot be read now" in row
    assert "songs_dag" in row
    assert "secret" not in row


def test_if_the_storage_fails_the_page_says_so(client: TestClient, monkeypatch):
    def fail(*_):
        raise OSError("no disk")

    monkeypatch.setattr(SongsService, "days", fail)
    answer = client.get("/songs/", headers=HTML)
    assert answer.status_code == 503
    assert "The storage is unavailable" in answer.text
    assert 'aria-label="Quartet"' in answer.text


def test_a_day_shows_counts_downloads_and_checksums(client: TestClient):
    fill(StorageHook().path("songs"))
    text = client.get("/songs/days/2019-02-08").text
    assert "90210" in text
    assert "Premium" in text
    checksums = client.get("/songs/days/2019-02-08/checksums").text
    assert "counts-2019-02-08.csv.gz" in checksums
    assert 'aria-label="2019-02-08: complete"' in client.get("/songs/?month=2019-02").text


def test_markup_in_data_is_printed_not_run(client: TestClient, monkeypatch):
    root = StorageHook().path("songs")
    fill(root)
    (root / "output/2019/02/08/counts_by_zip_sub/_SUCCESS").unlink()
    monkeypatch.setattr("include.songs.failures.read", lambda *_: SimpleNamespace(error=MARKUP))
    for path in ("/songs/days/2019-02-08", "/overview/songs"):
        text = client.get(path).text
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "&lt;script&gt;" in text or "%3Cscript%3E" in text


@pytest.mark.parametrize("path", ["/songs/?month=1", "/songs/days/2019-02-30", "/songs/?month=0000-01"])
def test_wrong_input_says_what_is_expected(client: TestClient, path: str):
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 422
    assert "2019-02" in answer.text or "day" in answer.text or "year" in answer.text


def test_numbers_and_ages():
    from datetime import UTC, datetime, timedelta

    now = datetime(2019, 2, 8, tzinfo=UTC)
    assert (number(1234.56, 1), number(None)) == ("1,234.6", "-")
    hours = {0: "moments ago", 1: "1 h ago", 47: "47 h ago", 49: "2 days ago", -2: "in 2 h"}
    assert {each: age(now - timedelta(hours=each), now) for each in hours} == hours
    assert age("2019-02-07T23:58:00+00:00", now) == "2 min ago"


def test_a_form_elsewhere_cannot_start_anything(client: TestClient, app: FastAPI, signed_in):
    signed_in(app, "admin")
    for path in ("/ratings/predict", "/ratings/rollback"):
        answer = client.post(path, data={"pairs": "233 346", "model": "1"})
        assert (answer.status_code, "Use the form on the page" in answer.text) == (403, True)


def test_pairs_are_submitted_and_waited_for(client: TestClient, app: FastAPI, signed_in, home: Path):
    signed_in(app, "admin")
    answer = client.post("/ratings/predict", data={"pairs": " 233 346 \r\n\r\n1 2"}, headers=PART)
    assert answer.status_code == 200
    [file] = (home / "data/ratings/streaming").glob("predict-*.txt")
    assert file.read_text() == "233 346\n1 2\n"
    assert f'hx-get="/quartet/ratings/predictions/{file.name.replace(":", "%3A")}"' in answer.text
    waiting = client.get(f"/ratings/predictions/{file.name}", headers=HTML)
    assert "Waiting for the predictions" in waiting.text
    assert "<nav" in waiting.text
    assert "<nav" not in client.get(f"/ratings/predictions/{file.name}", headers=PART).text


@pytest.mark.parametrize("pairs", ["", "x", "1 2 3", MARKUP])
def test_bad_pairs_are_explained(client: TestClient, app: FastAPI, signed_in, pairs: str):
    signed_in(app, "admin")
    answer = client.post("/ratings/predict", data={"pairs": pairs}, headers=PART)
    assert answer.status_code == 422
    assert "such as 233 346" in answer.text
    assert "<script" not in answer.text


def test_a_viewer_sees_the_buttons_but_cannot_press_them(client: TestClient):
    text = client.get("/ratings/").text
    assert "You may look, but not start runs." in text
    assert client.post("/ratings/predict", data={"pairs": "233 346"}, headers=PART).status_code == 403


@pytest.mark.parametrize(
    ("row", "status"), [("x", 422), ("quartet://nothing/1", 422), (f"quartet://songs/{MARKUP}", 422)]
)
def test_what_is_no_row_is_explained(client: TestClient, row: str, status: int):
    answer = client.get("/explain", params={"row": row}, headers=HTML)
    assert answer.status_code == status
    assert "expected" in answer.text
    assert "<script>alert" not in answer.text


def test_a_bad_task_is_explained(client: TestClient, app: FastAPI, signed_in):
    signed_in(app, "admin")
    form = {
        "model_type": "keyword_model",
        "predict_type": "author_name",
        "start_time": MARKUP,
        "end_time": "2020-01-01",
    }
    answer = client.post("/audience/", data=form, headers=PART)
    assert answer.status_code == 422
    assert "a time such as 2020-01-31 00:00:00 was expected" in answer.text
    assert "<script>alert" not in answer.text


def test_a_task_shows_its_progress_until_it_ends(client: TestClient, monkeypatch):
    from include.audience.progress import Progress
    from quartet.api.audience.service import AudienceService

    task = {"task_id": "a" * 32, "stat": "PENDING", "prod_stat": None}
    monkeypatch.setattr(AudienceService, "task", lambda *_: task)
    monkeypatch.setattr(AudienceService, "progress", lambda *_: Progress(4, 1, 1000, 500.0, 6.0))
    path = f"/audience/{'a' * 32}/progress"
    assert "1 of 4 batches" in client.get(path, headers=PART).text
    task |= {"stat": "SUCCESS", "prod_stat": "finish"}
    assert client.get(path, headers=PART).headers["hx-refresh"] == "true"


def test_what_the_rule_matched_is_marked_and_markup_is_not_run(client: TestClient, monkeypatch):
    from include.audience.rules.ruleset import Pattern, Rules
    from quartet.api.audience.schemas import Sample
    from quartet.api.audience.service import AudienceService

    row = {"id": "1", "task_id": "a" * 32, "source_author": MARKUP, "panel": "/female", "create_time": "2020-01-01"}
    row |= {"field_content": MARKUP, "match_content": f"{MARKUP} LILY"}
    sample = Sample.model_validate({"error_code": 200, "error_message": [row]})
    monkeypatch.setattr(AudienceService, "sample", lambda *_: sample)
    rules = Rules(
        "keyword_model", "author_name", (Pattern("male", "alert", ("partially",)), Pattern("female", "lily", ("end",)))
    )
    monkeypatch.setattr(AudienceService, "rules", lambda *_: rules)
    text = client.get(f"/audience/{'a' * 32}/sample?table_name=wh_panel_mapping_forum", headers=PART).text
    assert "<mark>LILY</mark>" in text
    assert "<script>alert" not in text
    assert "<img" not in text


@pytest.mark.parametrize("path", ["/audience/x", f"/audience/{'a' * 32}"])
def test_an_unknown_task_is_explained(client: TestClient, path: str):
    assert client.get(path, headers=HTML).status_code in (404, 422)


@pytest.mark.parametrize(
    "path", ["/articles/", "/articles/sites/a", "/articles/recs", "/articles/sites/a/search?title=b"]
)
def test_pages_of_articles_stand_without_a_database(client: TestClient, path: str):
    assert client.get(path, headers=HTML).status_code == 200


def test_an_article_is_found_by_its_title_and_its_markup_is_not_run(client: TestClient, home: Path):
    from datetime import UTC, datetime

    from sqlalchemy import URL, insert

    from include.articles.database import schema
    from include.articles.database.tables import ARTICLE
    from include.core.database.engine import open_engine

    now = datetime(2026, 3, 10, tzinfo=UTC)
    with open_engine(URL.create("sqlite", database=str(home / "data/articles.db"))) as engine:
        schema.upgrade(engine)
        row = {"site": "a", "external_id": "7", "title": f"100% {MARKUP}", "path": MARKUP, "published_at": now}
        with engine.begin() as connection:
            connection.execute(insert(ARTICLE), row | {"created_at": now, "updated_at": now})
    for title, expected in (("100%", True), ("ALERT(1)", True), ("1_0", False), ("200", False)):
        text = client.get("/articles/sites/a/search", params={"title": title}, headers=PART).text
        assert ("source_entity_id=7" in text) == expected
        assert "<script>alert" not in text
    page = client.get("/articles/recs?site=a&source_entity_id=7")
    assert (page.status_code, "<script>alert" in page.text, "<img" in page.text) == (200, False, False)
    assert client.get("/articles/recs?site=a&source_entity_id=8").status_code == 404
