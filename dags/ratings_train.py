"""
# Train the rating model

Starts when training data arrives, once when it is first switched on, and by hand. Every run works on what `ingest`
pinned.

| task | reads | writes |
|---|---|---|
| `ingest` | new files below `ratings/training/` | one commit of the training table; a bad file is refused |
| `train` | that commit and the base data | a model version; then `champion`, unless the new model is worse |

A file is taken once, ever. With the param `model` a run makes that earlier model version the champion; with
`training` it goes back to that earlier version of the training table; with `reprocess` it trains the newest data with
today's options and code even if nothing is new. A run with nothing to do skips `train` and says so in its note. A
finished run that is cleared only makes again what was lost; its report stays, and it moves neither data nor champion.

**Try it**: trigger it with a conf, and see `/ratings/models` for the model that it made or reused.

```json
{"reprocess": true}
```

**Does not guard against** ratings that are valid but false: they are trained on. The promotion guard
(`RATINGS_MAX_RMSE_RISE`) rejects a model that got worse, a rollback undoes the rest.
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
    default_args=DEFAULTS | {"priority_weight": 10},
    doc_md=__doc__,
    tags=["ratings"],
    params={
        "model": Param(None, type=["null", "integer"], minimum=1, description="model version to go back to"),
        "training": Param(None, type=["null", "integer"], minimum=0, description="training version to go back to"),
        "reprocess": Param(False, type="boolean", description="train even if nothing is new"),
    },
)
def ratings_train():
    """Keep the rating model up to date with the submitted ratings."""

    @task
    def ingest() -> dict:
        """Ingest what has landed, or restore what was asked for, and pin what is trained on."""
        from quartet.workflows.ratings import ratings_run

        with ratings_run(get_current_context()) as run:
            return run.ingest()

    @task(outlets=[RATINGS_MODEL])
    def train(plan: dict) -> None:
        """Fit, register and promote."""
        from quartet.workflows.ratings import ratings_run

        with ratings_run(get_current_context()) as run:
            run.train(plan)

    train(ingest())


ratings_train()
