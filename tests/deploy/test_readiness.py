"""Readiness: every component has sent a heartbeat and every DAG file has been parsed since the start."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from deploy.embedded import pools, readiness
from deploy.embedded.errors import EmbeddedError
from include import workflows

SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER, EARLIER = (SINCE + timedelta(seconds=1)).isoformat(), (SINCE - timedelta(seconds=1)).isoformat()


@pytest.fixture
def root(instance, tmp_path):
    from dataclasses import replace

    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "one.py").write_text("from airflow.sdk import dag\n\n@dag(schedule=None)\ndef one(): ...\n")
    (tmp_path / "dags" / "common.py").write_text("from airflow.sdk import Asset\n")
    return replace(instance, root=tmp_path)


class Server:
    """Answers like Airflow's API."""

    def __init__(self):
        self.health = {"metadatabase": {"status": "healthy"}}
        for name in ("scheduler", "triggerer", "dag_processor"):
            self.health[name] = {"status": "healthy", f"latest_{name}_heartbeat": LATER}
        self.dags = [{"relative_fileloc": "one.py", "last_parsed_time": LATER}]
        self.errors = []

    def look(self, instance):
        def answer(request):
            content = {
                "/api/v2/monitor/health": self.health,
                "/api/v2/dags": {"dags": self.dags},
                "/api/v2/importErrors": {"import_errors": self.errors},
            }
            return httpx.Response(200, json=content[request.url.path])

        with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://test") as client:
            return readiness.check(instance, client, SINCE)


def test_all_is_ready(root):
    assert Server().look(root) == readiness.Readiness()


def test_a_heartbeat_of_the_predecessor_does_not_count(root):
    server = Server()
    server.health["scheduler"]["latest_scheduler_heartbeat"] = EARLIER
    assert server.look(root).waiting_for == ["scheduler"]


def test_a_component_that_never_beat_is_waited_for(root):
    server = Server()
    server.health["triggerer"] = {"status": None, "latest_triggerer_heartbeat": None}
    server.health["dag_processor"] = {"status": "unhealthy", "latest_dag_processor_heartbeat": EARLIER}
    assert server.look(root).waiting_for == ["dag-processor", "triggerer"]


def test_a_dag_file_that_was_not_read_since_is_waited_for(root):
    server = Server()
    server.dags[0]["last_parsed_time"] = EARLIER
    assert server.look(root).waiting_for == ["dags/one.py"]


def test_a_dag_file_that_cannot_be_imported_is_told_not_waited_for(root):
    server = Server()
    server.dags = []
    server.errors = [{"filename": "one.py", "timestamp": LATER, "stack_trace": "Traceback\nValueError: no\n"}]
    found = server.look(root)
    assert found.waiting_for == []
    assert found.import_errors == {"one.py": "ValueError: no"}


def test_a_server_that_does_not_answer_yet_means_that_nothing_is_ready(root):
    def refuse(request):
        raise httpx.ConnectError("refused")

    with httpx.Client(transport=httpx.MockTransport(refuse), base_url="http://test") as client:
        waiting_for = readiness.check(root, client, SINCE).waiting_for
    assert waiting_for == ["api-server", "scheduler", "dag-processor", "triggerer"]


class Dying:
    """A supervisord whose scheduler has died once more at each check."""

    deaths = 0

    def restarts(self):
        self.deaths += 1
        return {"scheduler": self.deaths}


def test_a_component_that_keeps_dying_is_named_with_the_end_of_its_log(instance):
    (instance.logs / "scheduler.log").write_text("first\nBoom: it does not work\n")
    with pytest.raises(EmbeddedError, match=r"(?s)scheduler keeps dying.*Boom: it does not work"):
        readiness.wait(instance, Dying(), SINCE, lambda found: None)  # type: ignore[arg-type]


def test_the_wait_is_bounded(instance):
    class Quiet:
        def restarts(self):
            return {}

    with pytest.raises(EmbeddedError, match="not ready after 0 s, missing: api-server"):
        readiness.wait(instance, Quiet(), SINCE, lambda found: None, deadline_seconds=0)  # type: ignore[arg-type]


def test_missing_pools_are_made_and_existing_ones_keep_their_size():
    made = {}

    def answer(request):
        name = request.url.path.removeprefix("/api/v2/pools").strip("/")
        if request.method == "GET":
            return httpx.Response(200 if name in made else 404)
        content = json.loads(request.content)
        made[content["name"]] = content["slots"]
        return httpx.Response(201)

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://test") as client:
        assert pools.ensure(client) == list(workflows.pools())
        assert pools.ensure(client) == []
    assert made == {name: pool.slots for name, pool in workflows.pools().items()}


def test_a_refused_pool_is_an_error():
    refuse = httpx.MockTransport(lambda request: httpx.Response(404 if request.method == "GET" else 403, text="no"))
    with (
        httpx.Client(transport=refuse, base_url="http://test") as client,
        pytest.raises(EmbeddedError, match="403 no"),
    ):
        pools.ensure(client)
