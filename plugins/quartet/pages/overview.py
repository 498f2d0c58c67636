"""What the overview shows of a workflow: its runs from Airflow, and what they produced from the workflow itself."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from include.core.workflow import Workflow
from quartet.api.common import runs
from quartet.api.common.errors import faults
from quartet.api.common.pages import Summary, pages_of

log = logging.getLogger(__name__)

DAYS = 14
MAX_RUNS = 100
"""Newest runs of a DAG that are shown."""
WORST_FIRST = ("failed", "running", "queued", "success")


@dataclass(frozen=True)
class Day:
    """The runs of a day."""

    day: date
    counts: Mapping[str, int]
    """State → number of runs."""

    @property
    def state(self) -> str:
        """The state that matters most; `none` without a run."""
        return next((state for state in WORST_FIRST if state in self.counts), "none")

    @property
    def words(self) -> str:
        """The counts in words."""
        return f"{self.day}: " + (", ".join(f"{n} {state}" for state, n in self.counts.items()) or "no run")


@dataclass(frozen=True)
class Row:
    """A workflow on the overview."""

    visible: bool
    """Whether the caller may see any DAG of the workflow."""
    dags: list[dict[str, Any]] = field(default_factory=list)
    last: dict[str, Any] | None = None
    """The newest run, as Airflow describes it."""
    next_at: str | None = None
    days: list[Day] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)
    error: str | None = None
    """Why the summary is not known."""
    has_page: bool = False


async def row_of(request: Request, workflow: Workflow) -> Row:
    """Return a workflow as the caller may see it; raises `ApiError` if Airflow does not answer."""
    dags = await runs.list_dags(request, workflow.name)
    if not dags:
        return Row(visible=False)
    now = datetime.now(UTC)
    since = now - timedelta(days=DAYS)
    listed = await asyncio.gather(*(runs.list_runs(request, dag["dag_id"], MAX_RUNS, since=since) for dag in dags))
    found = sorted((run for each in listed for run in each), key=lambda run: run["run_after"], reverse=True)
    summary, error = await run_in_threadpool(_summary, workflow)
    due = [dag["next_dagrun_run_after"] for dag in dags if dag["next_dagrun_run_after"] and not dag["is_paused"]]
    return Row(
        visible=True,
        dags=dags,
        last=found[0] if found else None,
        next_at=min(due, default=None),
        days=_days(found, now.date()),
        summary=summary,
        error=error,
        has_page=pages_of(workflow.name) is not None,
    )


def _summary(workflow: Workflow) -> tuple[Summary, str | None]:
    pages = pages_of(workflow.name)
    if pages is None:
        return Summary(), None
    try:
        return pages.summary(), None
    except tuple(faults()) as error:
        log.error("the results of %s cannot be read", workflow.name, exc_info=error)
        return Summary(), f"The results cannot be read now ({type(error).__name__})."


def _days(found: Iterable[Mapping[str, Any]], today: date) -> list[Day]:
    counts: dict[date, dict[str, int]] = {today - timedelta(days=ago): {} for ago in reversed(range(DAYS))}
    for run in found:
        day = datetime.fromisoformat(run["run_after"]).astimezone(UTC).date()
        if day in counts:
            counts[day][run["state"]] = counts[day].get(run["state"], 0) + 1
    return [Day(day, states) for day, states in counts.items()]
