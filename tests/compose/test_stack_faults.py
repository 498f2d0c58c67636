"""Faults of what the platform depends on, on the stack whose demo has run: the rest goes on, and no work is lost."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.compose.stack import Stack
from tests.compose.work import serve_gazette

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

OUTAGE_SECONDS = 40
POLLS = 60
HUGE_BYTES = 3 << 30
MAX_GROWTH_MB = 200
TASKS = "/audience/api/tasks/"


def predicted(stack: Stack, seconds: float = 120) -> None:
    """Ask for a prediction and wait for it."""
    asked = stack.post("/ratings/predict", {"data": ["233 346"]})["filename"]
    stack.wait(lambda: stack.post("/ratings/result", {"filename": asked})["ready"], seconds, f"{asked} answered")


def poll(stack: Stack) -> int:
    """Ask for the labeling tasks as an impatient dashboard does; return the status, 0 if it has given up."""
    try:
        return httpx.get(f"{stack.url}{TASKS}", headers=stack.http.headers, timeout=3).status_code
    except httpx.TimeoutException:
        return 0


def test_a_frozen_database_stops_nothing_but_its_own_workflow(stack: Stack):
    stack.compose("pause", "mariadb")
    try:
        with ThreadPoolExecutor(POLLS) as pool:
            polls = [pool.submit(poll, stack) for _ in range(POLLS)]
            until, slowest = time.monotonic() + 20, 0.0
            while time.monotonic() < until:
                began = time.monotonic()
                httpx.get(f"{stack.url}/api/v2/version", timeout=10).raise_for_status()
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.2)
            assert {each.result() for each in polls} <= {0, 200, 503}
        print(f"\nslowest /api/v2/version beside a frozen MariaDB: {slowest:.2f} s")  # noqa: T201
        assert slowest < 1
        predicted(stack)
    finally:
        stack.compose("unpause", "mariadb")
    assert stack.get(TASKS)["error_code"] == 200


@pytest.mark.parametrize("service", ["mariadb", "postgres"])
def test_work_in_the_middle_of_an_outage_ends_well(stack: Stack, service: str):
    task = stack.post(TASKS, {"countdown": 1})["error_message"]["task_id"]
    with serve_gazette(stack) as conf:
        run = stack.trigger("article_recs__demo_gazette", conf)
        stack.wait(lambda: stack.state(run) == "running", 120, "the run of articles")
        stack.compose("stop", "--timeout", "1", service)
        time.sleep(OUTAGE_SECONDS)
        stack.compose("start", service)
        stack.finished(run, 900)
    stack.wait(lambda: stack.get(f"{TASKS}{task}").get("prod_status") == "finish", 900, f"the end of {task}")
    row = next(each for each in stack.get(TASKS)["content"] if each["task_id"] == task)
    assert (row["length_receive_table"], row["length_output_table"]) == (19_300, 5_179)
    predicted(stack)


def zeros() -> Iterator[bytes]:
    """Yield a body that no memory should hold."""
    part = bytes(1 << 20)
    for _ in range(HUGE_BYTES // len(part)):
        yield part


def test_a_huge_body_is_refused_and_leaves_no_trace_in_memory(stack: Stack):
    [name] = [each["Name"] for each in stack.containers() if each["Service"] == "api-server"]
    before = stack.megabytes()[name]
    try:
        headers = {"Content-Type": "application/json"}
        reply = httpx.post(f"{stack.url}/auth/token", content=zeros(), headers=headers, timeout=120)
        assert reply.status_code == 413
    except httpx.TransportError:
        pass  # the server closes the connection of a client that does not stop
    assert stack.megabytes()[name] - before < MAX_GROWTH_MB
    assert stack.get("/api/v2/monitor/health")["metadatabase"]["status"] == "healthy"
