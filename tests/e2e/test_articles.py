"""Article recommendations on the real platform: a run, one whose every task is killed, a backfill, a failure."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from deploy.demo.articles import gazette
from include.core.settings import ROOT
from tests.support.platform import Platform, wait_for

pytestmark = pytest.mark.e2e

DAG = "article_recs__demo_gazette"
RUNS = f"/api/v2/dags/{DAG}/dagRuns"
DAILY = "article_recs__daily_post"
DAILY_POST = """
daily-post:
  kind: washington_city_paper
  domain: demo-gazette.example
  base_url: {address}
  enabled: true
  schedule: "0 {hour} * * *"
  requests_per_second: 200
  concurrent_requests: 4
  parameters:
    ga_data_bucket: file://{home}/data/demo-gazette/events
    days_of_data: 14
"""
MOMENT = 0.05
"""Seconds between two looks for something to kill."""
KILLED = (
    "create_model", "fetch_data", "filter_events", "scrape_metadata", "build_interactions", "save_defaults",
    "train_model", "save_predictions", "clean_up", "report",
)  # fmt: skip


class Articles:
    """The workflow as its users see it."""

    def __init__(self, platform: Platform, archive: gazette.Gazette, address: str) -> None:
        self.platform, self.archive, self.address = platform, archive, address

    def get(self, path: str, **query: Any) -> Any:
        return self.platform.client.get(path, params=query).raise_for_status().json()

    def post(self, path: str, body: Any) -> Any:
        return self.platform.client.post(path, json=body).raise_for_status().json()

    def begin(self, **conf: Any) -> str:
        conf = {"run_at": self.archive.end.isoformat(), "site_base_url": self.address, **conf}
        return self.post(RUNS, {"logical_date": None, "conf": conf})["dag_run_id"]

    def backfill(self, body: dict[str, Any]) -> None:
        """Begin a backfill; one before is over when the scheduler says so, not with its last run (409 until then)."""
        post = self.platform.client.post
        wait_for("a backfill begins", lambda: post("/api/v2/backfills", json=body).is_success)

    def ended(self, run_id: str) -> str | None:
        state = self.get(f"{RUNS}/{run_id}")["state"]
        return state if state in ("success", "failed") else None

    def tasks(self, run_id: str) -> dict[str, Any]:
        found = self.get(f"{RUNS}/{run_id}/taskInstances")["task_instances"]
        return {each["task_id"]: each for each in found}

    def models(self, run_id: str) -> dict[str, int]:
        return self.get(f"{RUNS}/{run_id}/taskInstances/create_model/xcomEntries/return_value")["value"]

    def lists(self, model_id: int) -> dict[str, list[tuple[int, str, str]]]:
        """Return source → (rank, target, score) of a model, whatever its status."""
        found = {}
        for article in self.get(f"/articles/models/{model_id}/articles")["results"]:
            source = article["external_id"]
            rows = self.get("/articles/recs", site=gazette.SITE, model_id=model_id, source_entity_id=source)["results"]
            found[source] = [(row["rank"], row["recommended_article"]["external_id"], row["score"]) for row in rows]
        return found

    def served(self, kind: str, site: str = gazette.SITE, status: str = "current") -> list[int]:
        """Return the current ids of models; the API may return cached ones for some minutes."""
        query = text("SELECT id FROM model WHERE site = :site AND type = :type AND status = :status")
        with self.platform.engine("articles") as engine, engine.connect() as database:
            return list(database.scalars(query, {"site": site, "type": kind, "status": status}))


@pytest.fixture(scope="module")
def articles(platform: Platform) -> Iterator[Articles]:
    line = [sys.executable, "-m", "deploy.demo.articles"]
    subprocess.run(line, env=platform.environment, cwd=ROOT, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUARTET_HOME", str(platform.home))
        archive = gazette.load()
    assert archive
    with gazette.serve(archive.articles) as address:
        with (platform.home / "sites.yaml").open("a") as own:
            hour = (datetime.now(UTC).hour + 12) % 24
            own.write(DAILY_POST.format(hour=hour, home=platform.home, address=address))
        found = Articles(platform, archive, address)

        def known() -> bool:
            try:
                return all(found.get(f"/api/v2/dags/{dag_id}")["dag_id"] == dag_id for dag_id in (DAG, DAILY))
            except httpx.HTTPStatusError:
                return False

        wait_for("each site has its DAG", known, 90)
        yield found


@pytest.fixture(scope="module")
def undisturbed(articles: Articles) -> dict[str, list[tuple[int, str, str]]]:
    """The lists of a run that nothing happened to."""
    run_id = articles.begin()
    assert wait_for("the run ends", lambda: articles.ended(run_id), 180) == "success", articles.tasks(run_id)
    models = articles.models(run_id)
    assert articles.served("article") == [models["article"]]
    assert articles.served("popularity") == [models["popularity"]]
    note = wait_for("the run has its note", lambda: articles.get(f"{RUNS}/{run_id}")["note"])
    assert f"related articles: model {models['article']} is current" in note
    return articles.lists(models["article"])


def test_no_site_is_requested_by_itself(articles):
    dag = articles.get("/api/v2/dags/article_recs__washington_city_paper")
    assert dag["timetable_summary"] is None
    assert dag["next_dagrun_run_after"] is None


def test_a_run_whose_every_task_is_killed_once_ends_the_same(articles, undisturbed):
    run_id, killed = articles.begin(), set()

    def is_over() -> str | None:
        if task := articles.platform.kill_task(DAG, *set(KILLED) - killed):
            killed.add(task)
        return articles.ended(run_id)

    assert wait_for("the run ends", is_over, 280, MOMENT) == "success", articles.tasks(run_id)
    assert len(killed) >= 7, f"too few tasks were caught: {killed}"  # some take an instant
    again = {name for name, task in articles.tasks(run_id).items() if task["try_number"] > 1}
    assert killed <= again
    assert articles.lists(articles.models(run_id)["article"]) == undisturbed
    assert articles.served("article") == [articles.models(run_id)["article"]]


def test_a_failed_run_is_seen_and_leaves_what_is_served(articles, undisturbed):
    before = articles.served("article")
    run_id = articles.begin(max_bad_line_ratio=0)
    assert wait_for("the run ends", lambda: articles.ended(run_id), 120) == "failed"
    assert articles.tasks(run_id)["fetch_data"]["try_number"] == 1  # the same lines would be bad again
    assert articles.served("article") == before
    for kind, model_id in articles.models(run_id).items():
        wait_for("the model is marked", lambda kind=kind: articles.served(kind, status="failed"), 60)
        assert articles.served(kind, status="failed") == [model_id]


def test_a_wrong_parameter_fails_before_any_work(articles):
    response = articles.platform.client.post(RUNS, json={"logical_date": None, "conf": {"max_recs": 0}})
    assert response.status_code in (400, 422), response.text


def test_a_run_starts_by_cron_and_a_backfill_trains_only_when_asked(articles):
    runs = f"/api/v2/dags/{DAILY}/dagRuns"

    def states(kind: str) -> dict[str, str]:
        """Return the state of each run of a kind, once all have ended."""
        found = {run["dag_run_id"]: run["state"] for run in articles.get(runs, run_type=kind)["dag_runs"]}
        return found if set(found.values()) <= {"success", "failed"} else {}

    # the last time by cron before the platform knew the site is made up for
    assert set(wait_for("the run by cron ends", lambda: states("scheduled"), 120).values()) == {"success"}
    [current] = articles.served("article", "daily-post")

    day = articles.archive.end - timedelta(days=2)
    first, second, last = (f"{day + timedelta(days=days):%Y-%m-%d}T00:00:00Z" for days in range(3))
    body = {"dag_id": DAILY, "from_date": first, "to_date": last}
    articles.backfill(body)
    found = wait_for("the backfill ends", lambda: states("backfill"), 120)
    assert set(found.values()) == {"success"}
    for run_id in found:
        tasks = {
            each["task_id"]: each["state"] for each in articles.get(f"{runs}/{run_id}/taskInstances")["task_instances"]
        }
        assert tasks["scrape_metadata"] == tasks["report"] == "success"
        assert tasks["build_interactions"] == tasks["save_predictions"] == "skipped"
    assert articles.served("article", "daily-post") == [current]
    assert articles.served("article", "daily-post", "pending") == []

    again = {"to_date": second, "reprocess_behavior": "completed", "dag_run_conf": {"train": True}}
    articles.backfill(body | again)
    # the model of an old instant is made, and is old at once
    wait_for("an old model is made", lambda: articles.served("article", "daily-post", "stale"), 120)
    assert articles.served("article", "daily-post") == [current]
