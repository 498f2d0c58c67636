"""
# Housekeeping

Every night: removes old data that nothing refers to.

| task | removes | days, `QUARTET_KEEP_…` | always keeps |
|---|---|---|---|
{tasks}
| `purge_runs` | runs deleted in MLflow | 30, `DELETED_RUNS_DAYS` | a model's run; files elsewhere |
| `clean_logs` | log files on this machine's disk | 90, `LOGS_DAYS` | logs in remote storage |
| `clean_metadata` | old rows of Airflow's database | 365, `HISTORY_DAYS` | a DAG's last scheduled run |

The numbers are defaults; 0 keeps data forever, as does `RATINGS_RETENTION_DAYS=never`. Ages count from the last change.
With `MODELS` 20, the newest 20 models and the last 20 champions are kept in addition to all models in use; the card,
registry entry and files of any other model are removed together. Files with unknown names, symbolic links and anything
behind them are kept. Files that have landed, are served or were delivered are never removed. Each run of a site removes
old models and tables of the site itself.

The tasks are independent of each other. With the param `dry_run` they only log and count. `clean_metadata` runs
`airflow db clean` and needs the connection `quartet_metadata` to Airflow's database, which `make up` defines;
`purge_runs` needs `quartet_mlflow` where MLflow has its own server. A task whose connection is missing is skipped and
logs the reason.

**Try it** with this conf; the log of each task shows what would be removed:

```json
{{"dry_run": true}}
```

**Does not guard against** a retention period that is too short: removed data can only be restored from a backup.
"""

from airflow.sdk import Param, dag, get_current_context, task

from dags.common import DEFAULTS, deadline
from include.core.retention import Rule
from include.core.workflow import rules_table
from include.workflows import WORKFLOWS
from quartet.alerts.failure import run_failed


@dag(
    schedule="30 2 * * *",
    max_active_runs=1,
    max_active_tasks=2,  # leaves slots for arriving data
    deadline=deadline(),
    on_failure_callback=run_failed,
    default_args=DEFAULTS,
    doc_md=__doc__.format(tasks=rules_table(WORKFLOWS)),
    tags=["platform"],
    params={"dry_run": Param(False, type="boolean", description="only log and count what would be removed")},
)
def housekeeping():
    """Remove old data that nothing refers to."""

    def clean(workflow: str, rule: Rule) -> None:
        @task(task_id=rule.task_id, doc_md=rule.clean.__doc__)
        def apply_rule() -> dict:
            """Apply a retention rule of a workflow."""
            from quartet.workflows.housekeeping import housekeeping_run

            return housekeeping_run(get_current_context()).clean(workflow, rule)

        apply_rule()

    @task
    def purge_runs() -> dict:
        """Permanently remove runs that were deleted in MLflow."""
        from quartet.workflows.housekeeping import housekeeping_run

        return housekeeping_run(get_current_context()).purge_runs()

    @task
    def clean_logs() -> dict:
        """Remove old log files on this machine."""
        from quartet.workflows.housekeeping import housekeeping_run

        return housekeeping_run(get_current_context()).clean_logs()

    @task
    def clean_metadata() -> dict:
        """Remove old rows from Airflow's database."""
        from quartet.workflows.housekeeping import housekeeping_run

        return housekeeping_run(get_current_context()).clean_metadata()

    for workflow in WORKFLOWS:
        for rule in workflow.retention.rules:
            clean(workflow.name, rule)
    purge_runs(), clean_logs(), clean_metadata()


housekeeping()
