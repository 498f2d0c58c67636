"""What a run sets off that is not finished in time. The scheduler looks at the clock, the triggerer calls this."""

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
    Count the time from the moment when a run was made.

    Airflow's own reference for it, `DAGRUN_QUEUED_AT`, makes clearing a run end in an error (Airflow 3.3.0 to 3.3.2).
    """

    def _evaluate_with(self, **_: Any) -> datetime:
        return datetime.now(UTC)  # Airflow asks once, while it makes the run


async def deadline_missed(minutes: float, context: Mapping[str, Any]) -> str:
    """
    Log that a run is late, count it, tell people.

    Airflow asks for a run, too, that has failed before its deadline, and a run of a backfill is late because it waits
    for the others: of neither anybody is told.

    :param minutes: after which it should have been finished.
    :param context: the run as Airflow's REST API describes it, and its deadline.
    :return: what became of it; Airflow keeps it with the deadline.
    """
    run = context["dag_run"]
    dag_id, run_id = run["dag_id"], run["dag_run_id"]
    if run["state"] in ENDED:
        log.info("Run %s of %s had ended before its deadline: %s", run_id, dag_id, run["state"])
        return f"nobody is told: the run had ended ({run['state']})"
    if run["run_type"] == "backfill":
        log.info("Run %s of %s is late in its backfill", run_id, dag_id)
        return "nobody is told: the run is part of a backfill"
    log.warning("Run %s of %s is not finished after %g minutes: it is %s", run_id, dag_id, minutes, run["state"])
    metrics.count("alerts", "deadline_missed", {"dag_id": dag_id}, in_callback=True)
    text = f"Run {run_id} is {run['state']}; {minutes:g} minutes were allowed.\nWhere it is: {run_url(dag_id, run_id)}"
    told = await asyncio.to_thread(notify, f"Quartet: {dag_id} is late", text)
    return "told" if told else "logged"
