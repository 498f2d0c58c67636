"""
# Label one schema after the other

Makes a labeling task for each of a list of source schemas, three at a time. Starts by hand, and by cron when
`AUDIENCE_CRON` names a time.

| task | reads | writes |
|---|---|---|
| `requests` | the params and the run's instant | the list of requests, one a schema |
| `label_schema` | a request | a run of `audience_labeling`, and waits for its end |

Without `start_time` and `end_time` it is the last full year before the run. `label_schema` is mapped and runs in the
pool `audience_schemas`. When one fails the others go on; clearing it resumes its run.
"""

from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task

from dags.common import DEFAULTS, deadline
from include.audience.settings import IDENTIFIER, AudienceSettings
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
    params={
        "schemas": Param(
            SETTINGS.cron_schemas,
            type="array",
            items={"type": "string", "pattern": f"^{IDENTIFIER.pattern}$"},
            uniqueItems=True,
            description="source schemas",
        ),
        "start_time": Param(None, type=["null", "string"], description="first moment; empty: begin of the last year"),
        "end_time": Param(None, type=["null", "string"], description="last moment; empty: end of the last year"),
        "request": Param({}, type="object", description="further fields of the requests, such as predict_type"),
    },
)
def audience_schemas():
    """Make a labeling task for each schema of a list."""

    @task
    def requests() -> list[dict]:
        """List the requests."""
        from include.audience import schedule

        context = get_current_context()
        instant = context["dag_run"].run_after.astimezone(SETTINGS.zone).replace(tzinfo=None)
        return schedule.requests(context["params"], instant, context["dag_run"].run_id)

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
