"""
# Report the state of the platform

Every five minutes, where `QUARTET_OTEL_ENDPOINT` names a collector, else only by hand: metrics that grow while nothing
runs, so no run can report them. What a run itself measures it reports when it ends. [metrics.md](metrics.md) explains
all metrics.

| task | reads | reports |
|---|---|---|
{tasks}

The log of a task shows the metrics in any case.

**Try it**: trigger it without a conf, and look at the logs of its tasks.

**Does not guard against** a collector that is down: what it misses is lost; the next run sends newer values.
"""

from datetime import timedelta
from importlib import import_module

from airflow.sdk import dag, task

from dags.common import DEFAULTS, deadline
from include.core.settings import PlatformSettings
from include.core.workflow import Workflow, state_metrics_table
from include.workflows import WORKFLOWS
from quartet.alerts.failure import run_failed


@dag(
    schedule="*/5 * * * *" if PlatformSettings.load().otel_endpoint else None,
    max_active_runs=1,
    catchup=False,
    deadline=deadline(),
    on_failure_callback=run_failed,
    default_args=DEFAULTS | {"execution_timeout": timedelta(minutes=5)},
    doc_md=__doc__.format(tasks=state_metrics_table(WORKFLOWS)),
    tags=["platform"],
)
def platform_metrics():
    """Measure what waits and what ages."""

    def measure(workflow: Workflow) -> None:
        @task(task_id=workflow.name)
        def measure_state() -> None:
            """Measure the state of one workflow."""
            import_module(f"quartet.workflows.{workflow.name}").measure_state()

        measure_state()

    for workflow in WORKFLOWS:
        if workflow.state_metrics:
            measure(workflow)


platform_metrics()
