"""
# Train the rating model

Starts when training data arrive, once when it is first switched on, and by hand. Every run works on what `ingest`
pinned.

| task | reads | writes |
|---|---|---|
| `ingest` | new files below `ratings/training/` | one commit of the training table; a bad file is refused |
| `train` | that commit and the base data | a model version; then `champion`, unless the new model is worse |

A file is taken once, ever. With the param `model` a run makes that earlier model version the champion; with
`training` it goes back to that earlier version of the training table; with `reprocess` it trains the newest data with
today's options and code although nothing is new.
A run with nothing to do skips `train` and says so in its note.
"""

from airflow.sdk import AssetOrTimeSchedule, Param, dag, get_current_context, task
from airflow.timetables.simple import OnceTimetable

from dags.common import DEFAULTS, RATINGS_MODEL, RATINGS_TRAINING, deadline
from quartet.alerts.failure import run_failed


@dag(
    schedule=AssetOrTimeSchedule(timetable=OnceTimetable(), assets=RATINGS_TRAINING),
    max_active_runs=1,
    deadline=deadline(),
    on_failure_callback=run_failed,
    default_args=DEFAULTS,
    doc_md=__doc__,
    tags=["ratings"],
    params={
        "model": Param(None, type=["null", "integer"], minimum=1, description="model version to go back to"),
        "training": Param(None, type=["null", "integer"], minimum=0, description="training version to go back to"),
        "reprocess": Param(False, type="boolean", description="train although nothing is new"),
    },
)
def ratings_train():
    """Keep the rating model up to date with the submitted ratings."""

    @task
    def ingest() -> dict:
        """Take in what has landed, or restore what was asked for, and pin what is trained."""
        import time

        from airflow.sdk.exceptions import AirflowSkipException

        from include.ratings import base, pipeline, reports
        from include.ratings.settings import RatingsSettings
        from quartet.hooks import movielens
        from quartet.hooks.airflow_api import AirflowApiHook
        from quartet.hooks.storage import StorageHook

        context = get_current_context()
        run, params = context["dag_run"], context["params"]
        store, settings = StorageHook().store("ratings"), RatingsSettings.load()
        asked = pipeline.Asked(
            params["model"], params["training"], params["reprocess"], run.triggering_user_name or "quartet"
        )
        base_data = base.provide(store.path, settings.movielens_100k, movielens.fetch)
        plan = pipeline.pin(store, base_data, settings, asked, run.run_id, time.time())
        if plan.empty:
            reports.write(store.path, report := pipeline.nothing_done(plan))
            AirflowApiHook().note(context, report.note)
            raise AirflowSkipException(report.note)
        return pipeline.as_json(plan)

    @task(outlets=[RATINGS_MODEL])
    def train(plan: dict) -> None:
        """Fit, register and promote."""
        import time
        from datetime import UTC, datetime

        from include.ratings import pipeline, reports, state_metrics
        from include.ratings.settings import RatingsSettings
        from quartet.hooks import metrics
        from quartet.hooks.airflow_api import AirflowApiHook
        from quartet.hooks.registry import RegistryHook
        from quartet.hooks.storage import StorageHook

        store, settings, at = StorageHook().store("ratings"), RatingsSettings.load(), datetime.now(UTC).isoformat()
        report = pipeline.train_and_promote(store, pipeline.Plan(**plan), RegistryHook(), settings, at)
        reports.write(store.path, report)
        metrics.send("ratings", lambda: state_metrics.current(store, time.time()))
        AirflowApiHook().note(get_current_context(), report.note)

    train(ingest())


ratings_train()
