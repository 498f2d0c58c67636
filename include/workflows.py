"""The only list of the platform's workflows; everything that concerns all of them reads it."""

from collections.abc import Mapping

from include.articles.workflow import WORKFLOW as ARTICLES
from include.audience.workflow import WORKFLOW as AUDIENCE
from include.core.telemetry import ALERTS, Metric
from include.core.workflow import Pool, Workflow
from include.ratings.workflow import WORKFLOW as RATINGS
from include.songs.workflow import WORKFLOW as SONGS

WORKFLOWS: tuple[Workflow, ...] = (RATINGS, AUDIENCE, ARTICLES, SONGS)
"""In the order of the demo."""


def named(name: str) -> Workflow:
    """Return a workflow by its name; raises `KeyError` for an unknown one."""
    return {workflow.name: workflow for workflow in WORKFLOWS}[name]


def metrics() -> Mapping[str, Metric]:
    """Return the metrics of all workflows and of the alerts, by full name."""
    return {name: metric for workflow in WORKFLOWS for name, metric in workflow.metrics.items()} | ALERTS


def pools() -> Mapping[str, Pool]:
    """Return the pools of all workflows, by name."""
    return {name: pool for workflow in WORKFLOWS for name, pool in workflow.pools.items()}
