"""Audience labeling in the demo: one task over generated posts, from its creation to its results."""

import time
from collections.abc import Callable
from typing import Any

from deploy.demo.audience import posts
from deploy.demo.client import DemoError, Platform
from deploy.demo.report import Result
from include.audience.settings import AudienceSettings

TASKS = "/audience/api/tasks/"


def run(platform: Platform, progress: Callable[[str], None]) -> list[Result]:
    """Run the workflow once; raises `DemoError` if a result is wrong."""
    settings = AudienceSettings.load()
    if not posts.is_there():
        return []
    progress("audience: creating a labeling task")
    began = time.monotonic()
    task_id = _checked(platform.post(TASKS, {"countdown": 1}))["error_message"]["task_id"]
    platform.wait(lambda: _finished(platform, task_id, progress), 180, f"the end of labeling task {task_id}")
    seconds = time.monotonic() - began

    [state] = [each for each in _checked(platform.get(TASKS))["content"] if each["task_id"] == task_id]
    results = _results(state)
    if state["length_receive_table"] != posts.expected() or not results:
        raise DemoError(f"{posts.expected()} posts were expected to be received, found {state}")
    name, produced, authors, rate = results[0]
    table = f"wh_panel_mapping_{name}"
    row = _checked(platform.get(f"{TASKS}{task_id}/sample/", table_name=table))["error_message"][0]
    schema, server = settings.output_schema, settings.output_host
    database = f"{schema} on {server}" if server else f"audience/{schema}.db"
    rates = ", ".join(f"{name} {rate} %" for name, _, _, rate in results)
    received, written = state["length_receive_table"], state["length_output_table"]
    return [
        Result(
            "audience",
            f"task {task_id}: {received:,} posts, {written:,} labelled rows; authors in a panel: {rates}",
            f"{database}, table state",
            seconds,
            f"{TASKS}{task_id}",
        ),
        Result(
            "audience",
            f"{name}: {produced:,} of {authors:,} authors are in a panel ({rate} %), "
            f"such as {row['source_author'].strip()[:40]!r} in {row['panel']}",
            f"{database}, table {table}",
            seconds,
            f"{TASKS}{task_id}/sample/?table_name={table}",
        ),
    ]


def _finished(platform: Platform, task_id: str, progress: Callable[[str], None]) -> bool:
    status = _checked(platform.get(f"{TASKS}{task_id}"))
    progress(f"audience: labeling {status['status']}, production {status['prod_status'] or 'PENDING'}")
    if status["status"] not in ("PENDING", "SUCCESS"):
        raise DemoError(f"labeling task {task_id} ended as {status['status']}: {status.get('detail')}")
    return status["prod_status"] is not None


def _results(state: dict[str, Any]) -> list[tuple[str, int, int, str]]:
    """Return table, authors in a panel, authors and rate of each result table, largest first."""
    lists = [str(state[name] or "").split(",") for name in ("length_prod_table", "uniq_source_author", "rate_of_label")]
    names = [name for name in state["result"].split(",") if name]
    rows = zip(names, map(int, lists[0]), map(int, lists[1]), lists[2], strict=True) if names else ()
    return sorted(rows, key=lambda row: -row[1])


def _checked(response: Any) -> Any:
    if response["error_code"] != 200:
        raise DemoError(f"the audience API answered {response['error_code']}: {response['error_message']}")
    return response
