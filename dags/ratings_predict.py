"""
# Predict ratings

Starts when pairs to predict arrive and when there is a new champion.

| task | reads | writes |
|---|---|---|
| `predict` | the champion; files below `ratings/streaming/` that it has not answered | an answer for each |

An answer is the object `ratings/predict/<model version>/<same name>`, exactly one for each file and version; a bad
file is refused with its reason. Files without any answer come first, then those that an earlier model has answered.
What lands meanwhile makes a further run, and what is left then is done there. Without a champion the files wait.
"""

from airflow.sdk import dag, get_current_context, task

from dags.common import DEFAULTS, RATINGS_MODEL, RATINGS_STREAMING, deadline
from quartet.alerts.failure import run_failed


@dag(
    schedule=RATINGS_STREAMING | RATINGS_MODEL,
    max_active_runs=1,
    deadline=deadline(),
    on_failure_callback=run_failed,
    default_args=DEFAULTS,
    doc_md=__doc__,
    tags=["ratings"],
)
def ratings_predict():
    """Answer what was asked with the champion."""

    @task
    def predict() -> None:
        """Answer all files that the champion has not answered."""
        import time

        from airflow.sdk.exceptions import AirflowSkipException

        from include.ratings import answering, reports, state_metrics
        from quartet.hooks import metrics
        from quartet.hooks.airflow_api import AirflowApiHook
        from quartet.hooks.storage import StorageHook

        context, storage = get_current_context(), StorageHook()
        root = storage.path("ratings")
        report = answering.answer_all(root, storage.path, context["dag_run"].run_id, clock=time.time)
        reports.write(root, report)
        metrics.send("ratings", lambda: state_metrics.queue(root, time.time()))
        AirflowApiHook().note(context, report.note)
        if report.made == "nothing":
            raise AirflowSkipException(report.note)

    predict()


ratings_predict()
