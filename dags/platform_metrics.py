"""
# Report the state of the platform

Every five minutes if `QUARTET_OTEL_ENDPOINT` names a collector, otherwise only by hand: sends metrics that grow while
nothing runs, so no run can report them. Runs send their own metrics when they end. [metrics.md](metrics.md) explains
all metrics.

| task | reads | reports |
|---|---|---|
{tasks}

The logs of the tasks show the metrics as well.

**Try it**, it has no params; the log of each task shows its metrics:

```json
{{}}
```

**Does not guard against** a collector that is down: values sent meanwhile are lost; the next run sends newer ones.
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
    """Measure waiting work and the age of data and models."""

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
