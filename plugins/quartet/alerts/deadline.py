"""Deadline callback, run by the triggerer; the scheduler detects missed deadlines."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.definitions.deadline import BaseDeadlineReference

from quartet.alerts.notifier import notify, run_url
from quartet.hooks import metrics

log = logging.getLogger(__name__)

ENDED = ("success", "failed")


class RunCreated(BaseDeadlineReference):
    """
    Reference of deadlines that count from the creation of a run.

    With Airflow's own reference, `DAGRUN_QUEUED_AT`, clearing a run fails (Airflow 3.3.0 to 3.3.2).
    """

    def _evaluate_with(self, **_: Any) -> datetime:
        return datetime.now(UTC)  # Airflow calls it once, while it creates the run


async def deadline_missed(minutes: float, context: Mapping[str, Any]) -> str:
    """
    Log and count a late run, and notify people.

    Nobody is notified of a run that had failed before its deadline, for which Airflow calls this too, nor of a run that
    is late because it waits for the others of its backfill.

    :param minutes: time that the run was allowed.
    :param context: the run as described by Airflow's REST API, and its deadline.
    :return: the outcome, which Airflow stores with the deadline.
    """
    run = context["dag_run"]
    dag_id, run_id = run["dag_id"], run["dag_run_id"]
    if run["state"] in ENDED:
        log.info("Run %s of %s had ended before its deadline: %s", run_id, dag_id, run["state"])
        return f"not notified: the run had ended ({run['state']})"
    if run["run_type"] == "backfill":
        log.info("Run %s of %s is late, as part of a backfill", run_id, dag_id)
        return "not notified: the run is part of a backfill"
    log.warning("Run %s of %s is not finished after %g minutes: it is %s", run_id, dag_id, minutes, run["state"])
    metrics.count("alerts", "deadline_missed", {"dag_id": dag_id}, in_callback=True)
    text = f"Run {run_id} is {run['state']}; {minutes:g} minutes were allowed.\nSee {run_url(dag_id, run_id)}"
    notified = await asyncio.to_thread(notify, f"Quartet: {dag_id} is late", text)
    return "notified" if notified else "logged"
