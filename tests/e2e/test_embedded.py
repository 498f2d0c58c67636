"""The embedded mode as its user meets it: up, status, down, and what happens when something is killed."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from deploy.embedded import keys
from include.core.database.server import maintenance_address
from include.core.settings import ROOT
from tests.support.platform import Platform, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture
def neighbour() -> Iterator[Platform]:
    """Yield a second home with its own port, not started."""
    neighbour = Platform()
    yield neighbour
    neighbour.remove()


def databases(platform: Platform) -> set[str]:
    """Return the names of the databases; none while the server is down."""
    engine = create_engine(maintenance_address(platform.instance.server_url))
    try:
        with engine.connect() as connection:
            return set(connection.scalars(text("SELECT datname FROM pg_database WHERE NOT datistemplate")))
    except OperationalError:
        return set()
    finally:
        engine.dispose()


def test_a_second_up_does_nothing(platform):
    before = platform.processes().keys()
    assert f"already up: {platform.url}" in platform.run("up")
    assert {each.pid for each in platform.components().values()} <= before


def test_status_shows_every_component_with_its_process(platform):
    output = platform.run("status")
    for name, component in platform.components().items():
        assert re.search(rf"^{name} +running +{component.pid} .* healthy", output, re.MULTILINE), output
    assert platform.url in output
    assert str(platform.home) in output


def test_the_pool_of_the_model_selection_is_there(platform):
    assert platform.client.get("/api/v2/pools/ratings_selection").raise_for_status().json()["slots"] == 2


def test_dags_are_unpaused(platform):
    dags = platform.client.get("/api/v2/dags").raise_for_status().json()["dags"]
    assert dags
    assert not [dag["dag_id"] for dag in dags if dag["is_paused"]]


def test_a_shell_with_the_variables_of_the_platform_runs_airflows_own_commands(platform):
    script = (
        f'eval "$({sys.executable} -m deploy.embedded env)"; cd /; airflow dags trigger platform_metrics --output json'
    )
    done = subprocess.run(["sh", "-c", script], env=platform.environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout[done.stdout.index("[{") :])[0]["dag_run_id"]  # log lines come before it
    assert platform.client.get(f"/api/v2/dags/platform_metrics/dagRuns/{run}").status_code == 200


def test_keys_are_in_no_file_but_their_own(platform):
    values = [value.encode() for value in keys.load_or_create(platform.home).values()]
    files = [path for path in platform.home.rglob("*") if path.is_file() and path.name != keys.FILE]
    assert platform.instance.logs / "scheduler.log" in files
    assert not [path for path in files if any(value in path.read_bytes() for value in values)]


def test_a_taken_port_is_named_and_nothing_is_started(platform, neighbour):
    port = str(platform.instance.port)
    output = neighbour.run("up", expect=1, QUARTET_PORT=port)
    assert f"port {port} is taken by" in output
    assert re.search(r"QUARTET_PORT=\d+ make up", output)
    assert not neighbour.processes()


def test_another_port_for_a_running_home_is_refused(platform):
    output = platform.run("up", expect=1, QUARTET_PORT=str(platform.instance.port + 1))
    assert f"is up on port {platform.instance.port}" in output


def test_killed_components_are_back_in_seconds_without_what_they_left_behind(platform):
    before = platform.components()
    workers = [each for each in platform.processes("scheduler").values() if each.pid != before["scheduler"].pid]
    assert workers, "LocalExecutor has no workers that could be left behind"
    for name in platform.instance.components:
        assert platform.kill(name) == before[name].pid
    wait_for(
        "every component runs again",
        lambda: all(each.running and each.pid != before[each.name].pid for each in platform.components().values()),
        seconds=15,
    )
    wait_for("the killed scheduler's workers are gone", lambda: not psutil.wait_procs(workers, timeout=0)[1])
    assert "Quartet is already up" in platform.run("up")
    wait_for("the platform is healthy", platform.healthy)


def test_up_clears_away_what_a_killed_supervisord_has_left(platform):
    before = platform.processes()
    supervisord = platform.supervisor.pid()
    psutil.Process(supervisord).kill()
    psutil.wait_procs([before[supervisord]], timeout=10)
    assert platform.processes().keys() & before.keys()
    assert re.search(r"supervisord has died, and \d+ of its processes are left", platform.run("status", expect=1))
    output = platform.run("up")
    assert re.search(r"ended \d+ processes left over from an earlier start", output), output
    assert not platform.processes().keys() & before.keys()
    assert platform.healthy()


def test_two_homes_run_side_by_side_and_one_goes_without_the_other(platform, neighbour):
    others = platform.processes().keys()
    with neighbour.begin("up") as interrupted:  # while it makes its database
        wait_for("the database is being made", lambda: "quartet_airflow_new" in databases(neighbour))
        interrupted.kill()
    assert re.search(r"ended \d+ processes left over", neighbour.run("up"))
    assert databases(neighbour) == {"postgres", "quartet_airflow", "quartet_articles", "quartet_mlflow"}
    assert neighbour.healthy()
    variable = {"key": "kept", "value": "by the neighbour"}
    neighbour.client.post("/api/v2/variables", json=variable).raise_for_status()
    assert platform.client.get("/api/v2/variables/kept").status_code == 404

    assert "is down" in neighbour.run("down")
    assert not neighbour.processes()
    assert "nothing is running" in neighbour.run("down")
    assert "nothing is running" in neighbour.run("status")
    with neighbour.instance.cluster.running(), neighbour.engine("airflow") as engine, engine.connect() as database:
        assert database.scalars(text("SELECT key FROM variable")).all() == ["kept"]
    assert {each.pid for each in platform.components().values()} <= others
    assert platform.healthy()
