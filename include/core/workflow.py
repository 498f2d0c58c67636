"""Registration of a workflow with the platform.

`include/<name>/workflow.py` registers a workflow, and `include/workflows.py` lists them all.

Everything else is found by convention through the name: its DAGs have it as a tag, its app is
`quartet.api.<name>.app:create_app`, the steps of its runs are in `quartet.workflows.<name>`, its demo is
`deploy.demo.<name>`, its page `docs/<name>.md`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from include.core.provenance import RowKind
from include.core.retention import Retention
from include.core.settings import Settings
from include.core.telemetry import Metric


@dataclass(frozen=True)
class Pool:
    """An Airflow pool, which keeps one kind of task from occupying all slots."""

    slots: int
    description: str
    include_deferred: bool = False
    """Whether deferred tasks, which wait without a worker, hold their slots."""


@dataclass(frozen=True)
class StateMetrics:
    """
    Metrics that grow while nothing runs, so no run can report them.

    `quartet.workflows.<name>.measure_state()` sends them; the DAG `platform_metrics` calls it every five minutes.
    """

    reads: str
    """What is read, for the table on the DAG's page."""
    reports: str
    """What is measured, for the same table."""


@dataclass(frozen=True)
class Workflow:
    """A workflow of the platform."""

    name: str
    """Name of its packages, tag of its DAGs, folder in the storage, prefix of its web routes."""
    title: str
    """Name for people, such as a heading."""
    dags: tuple[str, ...]
    """Names of its files in `dags/`, without the suffix."""
    settings: type[Settings]
    retention: Retention
    """What housekeeping removes, and after how many days."""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    """Full name, such as `ratings.queue_files`, → metric."""
    state_metrics: StateMetrics | None = None
    pools: Mapping[str, Pool] = field(default_factory=dict)
    database: bool = False
    """Whether it has a database: connection `quartet_<name>`, tables of `include.<name>.database.schema`."""
    rows: tuple[RowKind, ...] = ()
    """Rows that `quartet.workflows.<name>.explain(row)` explains."""
    prepared: bool = False
    """Whether `deploy.production.prepare.<name>` has steps to run before the platform starts."""


def rules_table(workflows: Iterable[Workflow]) -> str:
    """Return the rows of the retention rules, in Markdown, for the page of the DAG `housekeeping`."""
    return "\n".join(rule.table() for workflow in workflows for rule in workflow.retention.rules)


def state_metrics_table(workflows: Iterable[Workflow]) -> str:
    """Return a row for each workflow with state metrics, in Markdown, for the page of the DAG `platform_metrics`."""
    rows = ((workflow.name, workflow.state_metrics) for workflow in workflows)
    return "\n".join(f"| `{name}` | {state.reads} | {state.reports} |" for name, state in rows if state)
