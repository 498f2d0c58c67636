"""
# Select the rating model

Compares algorithms by cross-validation on the training data of one version: weekly, or by hand with other params.

| task | reads | writes |
|---|---|---|
| `pin` | the newest training version, or that of the params | its number and the checksum of the base data |
| `plan` | settings and params | the list of (algorithm, fold); fails if an algorithm cannot be constructed |
| `evaluate` | base data and that training version | RMSE, MAE, seconds and size of one algorithm on one fold |
| `report` | all of these | an MLflow run with a child for each algorithm, table and chart |

With the param `use`, trainings use the chosen algorithm from now on. All algorithms get the same folds. If one fails,
its row says why. `evaluate` is mapped and runs in the pool `ratings_selection`, which leaves slots for arriving data.
`make mlflow` shows the runs and the chart.

**Try it**: trigger it with a conf; two fast algorithms take a minute.

```json
{"algorithms": ["BaselineOnly", "SVD"], "options": {"SVD": {"n_epochs": 10}}, "folds": 3}
```

**Does not guard against** overfitting of the choice: the best of many on the same folds is a little too good there.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task

from dags.common import DEFAULTS, deadline
from include.ratings.request import MAX_FOLDS
from include.ratings.settings import RatingsSettings
from quartet.alerts.failure import run_failed

SETTINGS = RatingsSettings.load()
NOTHING_MADE_UP = timedelta(0)
"""A platform that is new on the day of a selection waits for the next one: it would slow all else for minutes."""


@dag(
    schedule=None
    if SETTINGS.selection_cron == "never"
    else CronTriggerTimetable(SETTINGS.selection_cron, timezone="UTC", run_immediately=NOTHING_MADE_UP),
    max_active_runs=1,
    deadline=deadline(),
    on_failure_callback=run_failed,
    default_args=DEFAULTS,
    doc_md=__doc__,
    tags=["ratings"],
    params={
        "algorithms": Param(
            SETTINGS.selectable_algorithms,
            type="array",
            items={"type": "string", "enum": SETTINGS.selectable_algorithms},
            minItems=1,
            uniqueItems=True,
            description="what to compare",
        ),
        "options": Param(
            {},
            type="object",
            additionalProperties={"type": "object"},
            description='arguments by algorithm, such as {"SVD": {"n_epochs": 40}}; epochs, factors up to 1000',
        ),
        "folds": Param(5, type="integer", minimum=2, maximum=MAX_FOLDS, description="number of folds"),
        "seed": Param(0, type="integer", minimum=0, maximum=2**32 - 1, description="random state of folds and fits"),
        "training": Param(None, type=["null", "integer"], minimum=0, description="training version; empty: the newest"),
        "max_fit_seconds": Param(
            None, type=["null", "number"], exclusiveMinimum=0, description="longest fit of a chosen algorithm, seconds"
        ),
        "use": Param(False, type="boolean", description="train with the chosen algorithm from now on"),
    },
)
def ratings_model_selection():
    """Compare algorithms and choose the best one."""

    @task
    def pin() -> dict:
        """Pin the data that all algorithms are compared on."""
        from quartet.workflows.ratings import ratings_run

        with ratings_run(get_current_context()) as run:
            return run.pin()

    @task
    def plan() -> list[dict]:
        """List each algorithm on each fold, every algorithm checked."""
        from quartet.workflows.ratings import ratings_run

        with ratings_run(get_current_context()) as run:
            return run.plan()

    @task(pool="ratings_selection", map_index_template="{{ cell_name }}")
    def evaluate(cell: dict, data: dict) -> dict:
        """Measure one algorithm on one fold."""
        from quartet.workflows.ratings import ratings_run

        context = get_current_context()
        context["cell_name"] = f"{cell['algorithm']}, fold {cell['fold']}"
        with ratings_run(context) as run:
            return run.evaluate(cell, data)

    @task
    def report(outcomes: list[dict], data: dict) -> dict:
        """Compare, choose, record table and chart."""
        from quartet.workflows.ratings import ratings_run

        with ratings_run(get_current_context()) as run:
            return run.report(outcomes, data)

    data = pin()
    report(evaluate.partial(data=data).expand(cell=plan()), data)


ratings_model_selection()
