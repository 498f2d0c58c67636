"""
# Select the rating model

Compares algorithms by cross-validation on the training data of one version: weekly, or by hand with other params.

| task | reads | writes |
|---|---|---|
| `pin` | the newest training version, or that of the params | its name and that of the base data |
| `plan` | settings and params | the list of (algorithm, fold); refused when an algorithm cannot be made |
| `evaluate` | base data and that training version | RMSE, MAE, seconds and size of one algorithm on one fold |
| `report` | all of these | an MLflow run with a child for each algorithm, table and chart |

With the param `use` the next trainings use the algorithm that was chosen.
All algorithms get the same folds. One that fails is reported in its row. `evaluate` is mapped and runs in the pool
`ratings_selection`, which leaves slots for arriving data. `make mlflow` shows the runs and the chart.
"""

from airflow.sdk import Param, dag, get_current_context, task

from dags.common import DEFAULTS, deadline
from include.ratings.settings import RatingsSettings
from quartet.alerts.failure import run_failed

SETTINGS = RatingsSettings.load()


@dag(
    schedule=None if SETTINGS.selection_cron == "never" else SETTINGS.selection_cron,
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
        "options": Param({}, type="object", description='arguments by algorithm, such as {"SVD": {"n_epochs": 40}}'),
        "folds": Param(5, type="integer", minimum=2, maximum=20, description="number of folds"),
        "seed": Param(0, type="integer", minimum=0, maximum=2**32 - 1, description="random state of folds and fits"),
        "training": Param(None, type=["null", "integer"], minimum=0, description="training version; empty: the newest"),
        "max_fit_seconds": Param(None, type=["null", "number"], exclusiveMinimum=0, description="limit for a choice"),
        "use": Param(False, type="boolean", description="train with the chosen algorithm from now on"),
    },
)
def ratings_model_selection():
    """Find out which algorithm predicts best."""

    @task
    def pin() -> dict:
        """Fix the data that all work on."""
        from include.ratings import base, selection
        from quartet.hooks import movielens
        from quartet.hooks.storage import StorageHook

        store = StorageHook().store("ratings")
        base_data = base.provide(store.path, RatingsSettings.load().movielens_100k, movielens.fetch)
        return selection.pin(store, base_data, get_current_context()["params"]["training"])

    @task
    def plan() -> list[dict]:
        """List what is evaluated, after a look whether every algorithm can be made."""
        from dataclasses import asdict

        from include.ratings import selection

        params = get_current_context()["params"]
        cells = selection.cells(params["algorithms"], params["options"], params["folds"], params["seed"])
        return [asdict(cell) for cell in cells]

    @task(pool="ratings_selection", map_index_template="{{ cell_name }}")
    def evaluate(cell: dict, data: dict) -> dict:
        """Measure one algorithm on one fold."""
        from dataclasses import asdict

        from include.ratings import selection
        from quartet.hooks.storage import StorageHook

        context, params = get_current_context(), get_current_context()["params"]
        context["cell_name"] = f"{cell['algorithm']}, fold {cell['fold']}"
        rows = selection.rows(StorageHook().store("ratings"), data)
        return asdict(selection.evaluate(rows, selection.Cell(**cell), params["folds"], params["seed"]))

    @task
    def report(outcomes: list[dict], data: dict) -> dict:
        """Compare, choose, keep table and chart."""
        from include.ratings import charts, selection
        from quartet.hooks.airflow_api import AirflowApiHook
        from quartet.hooks.registry import RegistryHook
        from quartet.hooks.storage import StorageHook

        context, params = get_current_context(), get_current_context()["params"]
        run = context["dag_run"]
        found = selection.compare(outcomes, params["options"], params["max_fit_seconds"])
        title = f"{params['folds']}-fold cross-validation, training version {data['training_version']}: {found.note}"
        RegistryHook().record(
            "ratings_selection",
            run.run_id,
            params={**data, "folds": params["folds"], "seed": params["seed"]},
            tags={"chosen": str(found.chosen)},
            children=found.by_algorithm(),
            files={"comparison.csv": found.table(), "comparison.svg": charts.comparison(found, title)},
        )
        at = run.run_after.isoformat()
        selection.save(StorageHook().path("ratings"), run.run_id, at, found, use=params["use"])
        AirflowApiHook().note(context, title)
        return {"chosen": found.chosen}

    data = pin()
    report(evaluate.partial(data=data).expand(cell=plan()), data)


ratings_model_selection()
