"""
# Label a list of schemas

Starts a labeling task for each source schema of a list, three at a time. Starts by hand, and by cron if
`AUDIENCE_CRON` is set.

| task | reads | writes |
|---|---|---|
| `requests` | the params and the run's instant | the list of requests, one per schema |
| `label_schema` | a request | a run of `audience_labeling`; waits for its end |

Without `start_time` and `end_time` the time range is the last full year before the run. `label_schema` is mapped and
runs in the pool `audience_schemas`. If one fails, the others continue; clearing it resumes its run.

**Try it**: after `make demo`, trigger it with

```json
{"schemas": ["wh_demo"], "start_time": "2020-01-01", "end_time": "2020-12-31 23:59:59", "request": {"countdown": 0}}
```

**Does not guard against** two runs with the same schemas and time range: each labels them in tasks of its own.
"""

from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import CronTriggerTimetable, dag, get_current_context, task

from dags.common import DEFAULTS, deadline, params_of
from include.audience.request import SchemasParams
from include.audience.settings import AudienceSettings
from quartet.alerts.failure import run_failed

SETTINGS = AudienceSettings.load()
LIMIT = timedelta(days=7)
CRON = None if SETTINGS.cron == "never" else CronTriggerTimetable(SETTINGS.cron, timezone=SETTINGS.time_zone)


@dag(
    schedule=CRON,
    max_active_runs=1,
    catchup=False,
    deadline=deadline(LIMIT.total_seconds() / 60),
    on_failure_callback=run_failed,
    default_args=DEFAULTS | {"execution_timeout": LIMIT},
    doc_md=__doc__,
    tags=["audience"],
    params=params_of(SchemasParams, schemas=SETTINGS.cron_schemas),
)
def audience_schemas():
    """Start a labeling task for each schema of a list."""

    @task
    def requests() -> list[dict]:
        """List the requests."""
        from quartet.workflows import audience

        return audience.requests(get_current_context())

    TriggerDagRunOperator.partial(
        task_id="label_schema",
        trigger_dag_id="audience_labeling",
        wait_for_completion=True,
        deferrable=True,
        poke_interval=5,
        reset_dag_run=True,
        pool="audience_schemas",
        openlineage_inject_parent_info=False,
        map_index_template="{{ task.conf['target_schema'] }}",
    ).expand_kwargs(requests())


audience_schemas()
