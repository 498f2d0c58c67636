"""
# Label an audience

Starts on a call: of the audience API, or of Airflow's web UI, command line or REST API with the same fields. It says
which audience panel the author of each post belongs to.

| task | reads | writes |
|---|---|---|
| `open_task` | the request, rules, source map, counts of the source | the row in `state`; the task's plan, pinned |
| `label` | the posts of a batch of windows | labelled rows, a table a source group, window by window; figures |
| `close_labeling` | what all batches found | the figures in `state`, or `FAILURE` with the position reached |
| `countdown` | | nothing; it waits, without a worker |
| `produce` | the labelled rows of the task | `wh_panel_mapping_…`, one row an author; `prod_stat` in `state` |

`label` is mapped over at most `AUDIENCE_MAX_BATCHES` batches, `AUDIENCE_PARALLEL` at a time. Results do not depend on
how many. To resume a failed task, clear what failed: finished batches stay. An aborted task skips what is left.
"""

from datetime import timedelta

from airflow.sdk import Context, Param, dag, get_current_context, task

from dags.common import DEFAULTS, deadline
from include.audience.settings import IDENTIFIER, AudienceSettings
from quartet.alerts.failure import run_failed
from quartet.sensors.countdown import CountdownSensor

SETTINGS = AudienceSettings.load()
MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
NAME = f"^{IDENTIFIER.pattern}$"


def record_failure(context: Context) -> None:
    """Leave no task `PENDING` when its run has failed, whatever became of `close_labeling`."""
    from quartet.workflows.audience import AudienceHook

    with AudienceHook().pipeline(context) as pipeline:
        pipeline.record_failure()


@dag(
    schedule=None,
    deadline=deadline(SETTINGS.deadline_minutes),
    on_failure_callback=[record_failure, run_failed],
    default_args=DEFAULTS | {"execution_timeout": timedelta(hours=12)},
    doc_md=__doc__,
    tags=["audience"],
    params={
        "model_type": Param("keyword_model", enum=["keyword_model", "rule_model"], description="kind of the rules"),
        "predict_type": Param(
            "author_name", enum=["author_name", "author", "content", "s_area_id"], description="what is labelled"
        ),
        "start_time": Param("2020-01-01 00:00:00", type="string", pattern=MOMENT, description="first moment"),
        "end_time": Param("2021-01-01 00:00:00", type="string", pattern=MOMENT, description="last moment, inclusive"),
        "target_schema": Param(SETTINGS.input_schema, type="string", pattern=NAME, description="source schema"),
        "target_table": Param("ts_page_content", type="string", pattern=NAME, description="source table"),
        "output_schema": Param(SETTINGS.output_schema, type="string", pattern=NAME, description="result schema"),
        "countdown": Param(5, type="integer", minimum=0, maximum=86_400, description="seconds before production"),
        "queue": Param("queue1", type="string", maxLength=256, description="kept with the request"),
        "task_id": Param(None, type=["null", "string"], pattern="^[0-9a-f]{32}$", description="empty: a new one"),
    },
)
def audience_labeling():
    """Find the panel of each author."""

    @task
    def open_task() -> list[int]:
        """Pin the task and list its batches."""
        from quartet.workflows.audience import AudienceHook, measure_source

        with AudienceHook().pipeline(get_current_context()) as pipeline:
            batches = pipeline.open()
            measure_source(pipeline)
            return batches

    @task(max_active_tis_per_dagrun=SETTINGS.parallel, map_index_template="{{ span }}")
    def label(batch: int) -> None:
        """Label one batch."""
        from quartet.workflows.audience import AudienceHook

        context = get_current_context()
        with AudienceHook().pipeline(context) as pipeline:
            context["span"] = pipeline.span(batch)
            pipeline.label(batch)

    @task(trigger_rule="all_done")
    def close_labeling() -> str:
        """End the label stage, whichever way it went; tell when production is due."""
        from quartet.workflows.audience import AudienceHook, measure_labels

        with AudienceHook().pipeline(get_current_context()) as pipeline:
            measure_labels(pipeline, pipeline.close())
            return pipeline.production_time().isoformat()

    @task
    def produce() -> dict[str, int]:
        """Write the result tables; give the rows of each."""
        from quartet.hooks.airflow_api import AirflowApiHook
        from quartet.workflows.audience import AudienceHook, measure_panels

        context = get_current_context()
        with AudienceHook().pipeline(context) as pipeline:
            produced = pipeline.produce()
            measure_panels(pipeline, produced)
            AirflowApiHook().note(context, f"task {pipeline.task.task_id}: {sum(produced.values())} authors in panels")
            return produced

    closed = close_labeling()
    label.expand(batch=open_task()) >> closed
    closed >> CountdownSensor(task_id="countdown", target_time=closed) >> produce()


audience_labeling()
