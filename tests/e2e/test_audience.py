"""Audience labeling on the real platform: by its API and without, killed, aborted, failed and resumed."""

import time
from typing import Any

import pytest

from deploy.demo.audience import generate
from include.audience.pipeline import Dependencies, Pipeline
from include.audience.request import LabelingRequest
from include.audience.results.state import newest
from include.audience.settings import AudienceSettings
from include.audience.task import make_task
from include.core.database.engine import open_engine
from tests.support.platform import Platform, wait_for

pytestmark = pytest.mark.e2e

TASKS = "/audience/api/tasks/"
MOMENT = 0.05
"""Seconds between two looks for something to kill."""
RUNS = "/api/v2/dags/audience_labeling/dagRuns"
FIGURES = [
    "stat", "prod_stat", "length_receive_table", "length_output_table", "length_prod_table", "result",
    "uniq_source_author", "rate_of_label", "check_point", "error_message",
]  # fmt: skip


def _ignore(*_: Any) -> None: ...


class Audience:
    """The workflow as its users see it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.settings = AudienceSettings(data_dir=str(platform.home / "data/audience"))

    def write_posts(self, schema: str, rows: int) -> dict[str, Any]:
        """Write a source schema; return the expected report of its task, computed without Airflow."""
        with open_engine(self.settings.source_url(schema)) as engine:
            generate.write(engine, generate.rows(rows, authors=rows // 20))
        settings = self.settings.model_copy(update={"output_schema": f"expected_{schema}"})
        task = make_task(LabelingRequest(target_schema=schema), settings)
        dependencies = Dependencies(
            settings, self.platform.home / "expected" / schema, time.time, _ignore, note=_ignore, name_batch=_ignore
        )
        pipeline = Pipeline(dependencies, task, "expected")
        for batch in pipeline.open_task():
            pipeline.label(batch)
        pipeline.close_labeling()
        pipeline.produce()
        with open_engine(settings.result_url(settings.output_schema)) as engine:
            [row] = newest(engine, 1)
        single = str(row["length_prod_table"])
        return {name: row[name] for name in FIGURES} | {
            "length_prod_table": int(single) if single.isdigit() else single
        }

    def get(self, path: str, **query: Any) -> Any:
        return self.platform.client.get(path, params=query).raise_for_status().json()

    def post(self, path: str, body: Any = None) -> Any:
        return self.platform.client.post(path, json=body).raise_for_status().json()

    def create(self, **request: Any) -> str:
        answer = self.post(TASKS, request)
        assert answer["error_code"] == 200, answer
        return answer["error_message"]["task_id"]

    def status(self, task_id: str) -> dict[str, Any]:
        return self.get(f"{TASKS}{task_id}")

    def figures(self, task_id: str) -> dict[str, Any]:
        [row] = [each for each in self.get(TASKS)["content"] if each["task_id"] == task_id]
        return {name: row[name] for name in FIGURES}

    def run_of(self, run_id: str) -> dict[str, Any]:
        return self.get(f"{RUNS}/{run_id}")

    def ended(self, run_id: str) -> str | None:
        run = self.run_of(run_id)
        return run["state"] if run["state"] in ("success", "failed") else None

    def tasks(self, run_id: str) -> dict[str, str]:
        """Return the state of each task of a run, the worst of mapped ones last."""
        found = self.get(f"{RUNS}/{run_id}/taskInstances")["task_instances"]
        return {each["task_id"]: each["state"] for each in found}

    def clear_failed(self, run_id: str) -> None:
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": True, "reset_dag_runs": True}
        self.post("/api/v2/dags/audience_labeling/clearTaskInstances", body)


@pytest.fixture(scope="module")
def audience(platform: Platform) -> Audience:
    return Audience(platform)


@pytest.fixture(scope="module")
def large(audience: Audience) -> dict[str, Any]:
    """Posts that take some seconds to be labelled."""
    return audience.write_posts("wh_large", 250_000)


def test_a_task_of_the_api_runs_to_its_end(audience):
    expected = audience.write_posts("wh_small", 3_000)
    task_id = audience.create(target_schema="wh_small", countdown=1)
    assert audience.status(task_id)["status"] in ("PENDING", "SUCCESS")
    wait_for("it is finished", lambda: audience.status(task_id)["prod_status"] == "finish", 60)
    assert audience.figures(task_id) == expected
    assert wait_for("its run has ended", lambda: audience.ended(f"api__{task_id}")) == "success"
    sample = audience.get(f"{TASKS}{task_id}/sample/", table_name="wh_panel_mapping_fbfans")["error_message"]
    assert {row["task_id"] for row in sample} == {task_id}
    assert (
        audience.get(f"{TASKS}{task_id}/coverage")["content"]["totals"]["received"] == expected["length_receive_table"]
    )


def test_a_run_needs_no_api_of_ours(audience):
    expected = audience.write_posts("wh_direct", 1_000)
    conf = {"target_schema": "wh_direct", "countdown": 0, "start_time": "2020-01-01", "end_time": "2021-01-01T00:00:00"}
    run = audience.post(RUNS, {"logical_date": None, "conf": conf})["dag_run_id"]
    assert wait_for("it ends", lambda: audience.ended(run), 60) == "success"
    [row] = [each for each in audience.get(TASKS)["content"] if each["target_table"] == "wh_direct"]
    assert audience.figures(row["task_id"]) == expected
    assert row["task_id"] in audience.run_of(run)["note"]


@pytest.mark.parametrize("conf", [{"countdown": -1}, {"predict_type": "age"}, {"start_time": "yesterday"}])
def test_a_run_with_wrong_params_is_refused(audience, conf):
    assert audience.platform.client.post(RUNS, json={"logical_date": None, "conf": conf}).status_code in (400, 422)


def test_a_killed_batch_is_done_again(audience, large):
    task_id = audience.create(target_schema="wh_large", countdown=0)
    kill = audience.platform.kill_task
    wait_for("label is killed", lambda: kill("audience_labeling", "label"), 60, MOMENT)
    wait_for("it is finished", lambda: audience.status(task_id)["prod_status"] == "finish", 120)
    assert audience.figures(task_id) == large


def test_killed_at_every_try_it_fails_and_clearing_resumes(audience, large):
    task_id = audience.create(target_schema="wh_large", countdown=0)
    run, kill = f"api__{task_id}", audience.platform.kill_task

    def killed_until_failed() -> bool:
        kill("audience_labeling", "label")
        return audience.status(task_id)["status"] == "FAILURE"

    wait_for("it has failed", killed_until_failed, 120, MOMENT)
    assert "clear" not in audience.status(task_id)["detail"]
    assert audience.figures(task_id)["check_point"].startswith("2020-")
    wait_for("its run has ended", lambda: audience.ended(run), 30)
    audience.clear_failed(run)
    wait_for("it is finished", lambda: audience.status(task_id)["prod_status"] == "finish", 120)
    assert audience.figures(task_id) == large


def test_an_unknown_schema_fails_at_once_and_says_so(audience):
    task_id = audience.create(target_schema="wh_nowhere")
    status = wait_for("it has failed", lambda: (found := audience.status(task_id))["status"] == "FAILURE" and found, 30)
    assert "there is no source schema wh_nowhere" in status["detail"]
    assert audience.figures(task_id)["check_point"] == "2020-01-01T00:00:00"
    assert not (audience.platform.home / "data/audience/wh_nowhere.db").exists()
    run = f"api__{task_id}"
    assert wait_for("its run has ended", lambda: audience.ended(run), 30) == "failed"

    expected = audience.write_posts("wh_nowhere", 500)
    audience.clear_failed(run)
    wait_for("it is finished", lambda: audience.status(task_id)["prod_status"] == "finish", 60)
    assert audience.figures(task_id) == expected


def test_an_aborted_task_stops_and_produces_nothing(audience, large):
    task_id = audience.create(target_schema="wh_large", countdown=0)
    wait_for("it is being labelled", lambda: audience.tasks(f"api__{task_id}").get("label") == "running", 60)
    assert audience.post(f"{TASKS}{task_id}/abort")["status"] == "BREAK"
    wait_for("its run has ended", lambda: audience.ended(f"api__{task_id}"), 60)
    assert audience.tasks(f"api__{task_id}")["produce"] in ("skipped", "upstream_failed")
    status = audience.status(task_id)
    assert (status["status"], status["prod_status"], status["result"]) == ("BREAK", None, "")


def test_an_abort_ends_the_countdown(audience):
    audience.write_posts("wh_waiting", 500)
    task_id = audience.create(target_schema="wh_waiting", countdown=3_600)
    wait_for("it waits", lambda: audience.tasks(f"api__{task_id}")["countdown"] == "deferred", 60)
    assert audience.post(f"{TASKS}{task_id}/abort")["status"] == "BREAK"
    wait_for("its run has ended", lambda: audience.ended(f"api__{task_id}"), 30)
    assert audience.status(task_id)["prod_status"] is None


def test_a_list_of_schemas_is_labelled(audience):
    expected = {schema: audience.write_posts(schema, 400) for schema in ("wh_a", "wh_b")}
    conf = {
        "schemas": list(expected),
        "start_time": "2020-01-01",
        "end_time": "2021-01-01",
        "request": {"countdown": 0},
    }
    path = "/api/v2/dags/audience_schemas/dagRuns"
    run = audience.post(path, {"logical_date": None, "conf": conf})["dag_run_id"]
    done = wait_for("it ends", lambda: (found := audience.get(f"{path}/{run}"))["end_date"] and found, 120)
    assert done["state"] == "success"
    rows = {each["target_table"]: each for each in audience.get(TASKS)["content"]}
    assert {schema: {name: rows[schema][name] for name in FIGURES} for schema in expected} == expected
