"""The whole platform as docker-compose.yaml makes it, on a Docker engine; `make test-compose` runs it."""

import subprocess
import time
from datetime import date
from pathlib import Path

import httpx
import pytest

from deploy.demo.songs import music
from include.core.settings import ROOT
from tests.compose.stack import Stack
from tests.compose.work import day_conf, put_day

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

DAY = date(2020, 2, 3)
ANSWERS = ("postgres", "redis", "airflow-worker", "scheduler")
COMPONENTS = {
    *("api-server", "scheduler", "dag-processor", "triggerer", "airflow-worker"),
    *("postgres", "mariadb", "redis", "spark-master", "spark-worker", "mlflow"),
}


def test_all_components_are_healthy(stack: Stack):
    found = {each["Service"]: each["Health"] for each in stack.containers()}
    assert found == dict.fromkeys(COMPONENTS, "healthy")
    health = stack.get("/api/v2/monitor/health")
    assert {name: each["status"] for name, each in health.items()} == dict.fromkeys(
        ("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy"
    )
    assert stack.get("/api/v2/importErrors")["total_entries"] == 0


def test_no_one_comes_in_without_a_token(stack: Stack):
    with httpx.Client(base_url=stack.url) as nobody:
        for path in ("/api/v2/dags", "/ratings/models", "/audience/api/tasks/", "/songs/days"):
            assert nobody.get(path).status_code == 401
        login = {"username": "admin", "password": "admin"}
        assert nobody.post("/auth/token", json=login).status_code == 401
        assert nobody.get("/ratings/docs").status_code == 200


def test_only_the_named_ports_are_open_and_only_here(stack: Stack):
    published = [
        (each["Service"], port["URL"], port["PublishedPort"])
        for each in stack.containers()
        for port in each["Publishers"]
        if port["PublishedPort"]
    ]
    expected = [
        ("api-server", "127.0.0.1", int(stack.settings["QUARTET_PORT"])),
        ("mlflow", "127.0.0.1", int(stack.settings["QUARTET_MLFLOW_PORT"])),
    ]
    assert sorted(published) == expected


def test_a_component_runs_as_an_ordinary_user_and_knows_no_foreign_secret(stack: Stack):
    shown = stack.compose("exec", "-T", "airflow-worker", "bash", "-c", "id -u; env")
    assert shown.splitlines()[0] == "50000"
    for name in ("POSTGRES_PASSWORD", "MARIADB_ROOT_PASSWORD", "AUDIENCE_SOURCE_PASSWORD", "QUARTET_ADMIN_PASSWORD"):
        assert stack.secret(name) not in shown
    assert "SQL_ALCHEMY_CONN" not in shown  # a task has no way to Airflow's database
    assert "No broken requirements" in stack.compose("exec", "-T", "airflow-worker", "python", "-m", "pip", "check")


def test_the_demo_checks_itself(stack: Stack):
    began = time.monotonic()
    printed = " ".join(stack.compose("--profile", "demo", "run", "--rm", "demo").split())
    print(f"\nthe demo took {time.monotonic() - began:.0f} s")  # noqa: T201
    for expected in (
        *("predictions by model", "19,300 posts", "audience_result on mariadb"),
        *("on the planted topic", "s for its spins, then"),
    ):
        assert expected in printed


def check_day(stack: Stack, day: date, expected: music.Counts, engine: str) -> None:
    """Compare what the platform says about a day with what was planted."""
    found = stack.get(f"/songs/days/{day}")
    assert (found["state"], found["rows"], found["engine"]) == ("complete", sum(expected.values()), engine)
    rows = stack.get(f"/songs/days/{day}/counts")["rows"]
    assert {(row["zip"], row["subscription"]): row["spins"] for row in rows} == expected


def test_a_day_of_songs_runs_on_the_spark_cluster(stack: Stack, tmp_path: Path):
    expected = put_day(stack, DAY, tmp_path)
    stack.finished(stack.trigger("song_plays", day_conf(DAY, "spark")))
    check_day(stack, DAY, expected, "spark")
    applications = stack.compose("exec", "-T", "spark-master", "curl", "-s", "http://127.0.0.1:8080/json/")
    assert f"song plays {DAY}" in applications


@pytest.mark.parametrize("service", ANSWERS)
def test_work_goes_on_after_a_restart_in_the_middle(stack: Stack, service: str):
    task = stack.post("/audience/api/tasks/", {"countdown": 1})["error_message"]["task_id"]
    asked = [stack.post("/ratings/predict", {"data": [f"{user} 346"]})["filename"] for user in range(1, 6)]
    stack.compose("restart", "--timeout", "5", service)

    def labelled() -> bool:
        answer = stack.get(f"/audience/api/tasks/{task}")
        assert answer["status"] in ("PENDING", "STARTED", "SUCCESS"), answer
        return answer.get("prod_status") == "finish"

    stack.wait(labelled, 600, f"the end of {task}")
    row = next(each for each in stack.get("/audience/api/tasks/")["content"] if each["task_id"] == task)
    assert (row["length_receive_table"], row["length_output_table"]) == (19_300, 5_179)
    for name in asked:
        stack.wait(
            lambda name=name: stack.post("/ratings/result", {"filename": name})["ready"], 300, f"{name} answered"
        )


def test_three_workers_share_the_work(stack: Stack):
    stack.up("--scale", "airflow-worker=3", "--no-recreate")
    workers = [each for each in stack.containers() if each["Service"] == "airflow-worker"]
    assert [each["Health"] for each in workers] == ["healthy"] * 3
    runs = [stack.trigger("housekeeping", {}) for _ in range(3)]
    for run in runs:
        stack.finished(run)
    hosts = {
        each["hostname"]
        for run in runs
        for each in stack.get(f"{run}/taskInstances")["task_instances"]
        if each["hostname"]
    }
    assert len(hosts) > 1


def commands(heading: str) -> str:
    """Return the shell commands below a heading of the operations page."""
    page = (ROOT / "docs" / "operations.md").read_text()
    return page.split(f"\n## {heading}\n")[1].split("```sh\n")[1].split("```")[0]


def test_a_backup_brings_everything_back(stack: Stack):
    before = everything(stack)
    stack.shell(commands("Back up"))
    stack.down(volumes=True)
    stack.shell(commands("Restore"))
    stack.sign_in()
    assert everything(stack) == before
    asked = stack.post("/ratings/predict", {"data": ["233 346"]})["filename"]
    stack.wait(lambda: stack.post("/ratings/result", {"filename": asked})["ready"], 120, f"{asked} answered")


def everything(stack: Stack) -> list:
    """Return data of each workflow and of Airflow."""
    articles = {"site": "demo-gazette", "model_type": "popularity", "source_entity_id": "default"}
    return [
        stack.get("/ratings/models"),
        stack.get("/songs/days"),
        stack.get("/audience/api/tasks/"),
        stack.get("/articles/recs", **articles)["results"],
        [run["dag_run_id"] for run in stack.get("/api/v2/dags/song_plays/dagRuns")["dag_runs"]],
    ]


def test_data_survive_down_and_up(stack: Stack):
    before = everything(stack)
    stack.down()
    stack.up()
    stack.sign_in()
    assert everything(stack) == before


def test_a_missing_secret_is_told_with_the_command_that_makes_it(stack: Stack, tmp_path: Path):
    (tmp_path / "none").touch()
    line = ["docker", "compose", "--env-file", str(tmp_path / "none"), "config", "--quiet"]
    done = subprocess.run(line, cwd=stack.folder, capture_output=True, text=True)
    assert done.returncode
    assert "is missing, run make env" in done.stderr
