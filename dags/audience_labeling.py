"""
# Label an audience

Determines which audience panel the author of each post belongs to. Starts on a call: of the audience API, or of
Airflow's web UI, command line or REST API with the same fields.

| task | reads | writes |
|---|---|---|
| `open_task` | the request, rules, source map, row counts of the source | the row in `state`; the task's plan, pinned |
| `label` | the posts of a batch of windows | labelled rows in a table per source group, window by window; counts |
| `close_labeling` | the counts of all batches | the report in `state`, or `FAILURE` with the position reached |
| `countdown` | | nothing; it waits without occupying a worker |
| `produce` | the labelled rows of the task | `wh_panel_mapping_…`, one row per author; `prod_stat` in `state` |

`label` is mapped over at most `AUDIENCE_MAX_BATCHES` batches, `AUDIENCE_PARALLEL` at a time. The results do not depend
on the number of batches. To resume a failed run, clear its failed tasks: finished batches are kept. In the run of an
aborted labeling task the remaining tasks are skipped.

**Try it**: after `make demo`, trigger it with

```json
{"start_time": "2020-03-01", "end_time": "2020-03-31 23:59:59", "countdown": 0}
```

**Does not guard against** posts that arrive late: a post that is inserted into the time range while it is labelled, or
afterwards, may be missing from the results. Create another task for the same range.
"""

from datetime import timedelta

from airflow.sdk import Context, dag, get_current_context, task

from dags.common import DEFAULTS, deadline, params_of
from include.audience.request import RunParams
from include.audience.settings import AudienceSettings
from quartet.alerts.failure import run_failed
from quartet.sensors.countdown import CountdownSensor

SETTINGS = AudienceSettings.load()


def record_failure(context: Context) -> None:
    """Store the failure of a run whose `close_labeling` could not store it, so that no task stays `PENDING`."""
    from quartet.workflows.audience import audience_run

    with audience_run(context) as run:
        run.record_failure()


@dag(
    schedule=None,
    deadline=deadline(SETTINGS.deadline_minutes),
    on_failure_callback=[record_failure, run_failed],
    default_args=DEFAULTS | {"execution_timeout": timedelta(hours=12)},
    doc_md=__doc__,
    tags=["audience"],
    params=params_of(RunParams, target_schema=SETTINGS.input_schema, output_schema=SETTINGS.output_schema),
)
def audience_labeling():
    """Determine the panel of each author."""

    @task
    def open_task() -> list[int]:
        """Pin the labeling task and list its batches."""
        from quartet.workflows.audience import audience_run

        with audience_run(get_current_context()) as run:
            return run.open_task()

    @task(max_active_tis_per_dagrun=SETTINGS.parallel, map_index_template="{{ span }}")
    def label(batch: int) -> None:
        """Label one batch."""
        from quartet.workflows.audience import audience_run

        with audience_run(get_current_context()) as run:
            return run.label(batch)

    @task(trigger_rule="all_done")
    def close_labeling() -> str:
        """Store how the label stage ended; return when production is due."""
        from quartet.workflows.audience import audience_run

        with audience_run(get_current_context()) as run:
            return run.close_labeling()

    @task
    def produce() -> dict[str, int]:
        """Write the result tables; return the number of rows of each."""
        from quartet.workflows.audience import audience_run

        with audience_run(get_current_context()) as run:
            return run.produce()

    closed = close_labeling()
    label.expand(batch=open_task()) >> closed
    closed >> CountdownSensor(task_id="countdown", target_time=closed) >> produce()


audience_labeling()
