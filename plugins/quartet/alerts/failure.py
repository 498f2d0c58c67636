"""Failure callback, run once per failed run by the DAG processor; every DAG has it as `on_failure_callback`."""

import logging
from collections.abc import Mapping
from typing import Any

from quartet.alerts.notifier import notify, run_url

log = logging.getLogger(__name__)

REASONS = {
    "task_failure": "a task failed",
    "timed_out": "it took longer than allowed",
    "all_tasks_deadlocked": "none of its tasks can start",
}


def run_failed(context: Mapping[str, Any]) -> None:
    """
    Log a failed run and notify people.

    :param context: context of the task that failed last, or only the DAG, the run's id and the reason.
    """
    dag_id, run_id = context["dag"].dag_id, context["run_id"]
    reason = REASONS.get(context.get("reason", ""), context.get("reason") or "no reason is known")
    if task := context.get("task_instance"):
        reason = f"{reason} ({task.task_id})"
    log.error("Run %s of %s failed: %s", run_id, dag_id, reason)
    text = f"Run {run_id}: {reason}.\nSee its logs, or clear it: {run_url(dag_id, run_id)}"
    notify(f"Quartet: {dag_id} failed", text)
