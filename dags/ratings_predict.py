"""
# Predict ratings

Starts when pairs to predict arrive and when there is a new champion.

| task | reads | writes |
|---|---|---|
| `predict` | the champion; files below `ratings/streaming/` that it has not predicted | a prediction file for each |

A prediction file is the object `ratings/predict/<model version>/<same name>`, exactly one for each file and version; a
bad file is refused with its reason. Files without any prediction come first, then those that only an earlier model has
predicted. Files that land meanwhile start a further run, which also takes over what is left then. Without a champion
the files wait.

**Try it**: post pairs to `/ratings/predict`, which starts a run by itself; or trigger it, which predicts what waits.

```json
{}
```

**Does not guard against** unknown ids: a user or movie without ratings is predicted by a mean, and
`/ratings/predictions/<name>/why` says so.
"""

from airflow.sdk import dag, get_current_context, task

from dags.common import AWAITED, RATINGS_MODEL, RATINGS_STREAMING, deadline
from quartet.alerts.failure import run_failed


@dag(
    schedule=RATINGS_STREAMING | RATINGS_MODEL,
    max_active_runs=1,
    deadline=deadline(),
    on_failure_callback=run_failed,
    default_args=AWAITED,
    doc_md=__doc__,
    tags=["ratings"],
)
def ratings_predict():
    """Predict the submitted pairs with the champion."""

    @task
    def predict() -> None:
        """Predict all files that the champion has not predicted."""
        from quartet.workflows.ratings import ratings_run

        with ratings_run(get_current_context()) as run:
            run.predict()

    predict()


ratings_predict()
