"""
# Keep house

Every night, what grows is made small again; nothing that somebody uses is removed.

| task | what goes | days, `QUARTET_KEEP_…` | what stays in any case |
|---|---|---|---|
| `compact_ratings` | small files (merged), old table versions | for ever, `RATINGS_RETENTION_DAYS` | those of models |
| `clean_ratings` | reports of runs | 90, `REPORTS_DAYS` | the newest 100 |
| | answers of former champions | for ever, `PREDICTIONS_DAYS` | the last answer to a file |
| `remove_models` | all but the newest models | for ever; a number, `MODELS` | champions, alias, answers |
| | what killed trainings have left | 1 | every model |
| `purge_runs` | runs deleted in MLflow | 30, `DELETED_RUNS_DAYS` | a model's run; files elsewhere |
| `clean_articles` | extracts of events | 60, `EXTRACTS_DAYS` | dates that a run reads |
| | tables of failed or orphaned runs | 30, `ARTICLE_RUNS_DAYS` | the newest 3 of a newsroom |
| `clean_audience` | counted authors of ended tasks | 90, `AUTHORS_DAYS` | tasks that can be resumed |
| | plan and rules of ended tasks | for ever, `TASKS_DAYS` | tasks that can be resumed |
| `clean_songs` | broken downloads, jobs' copies | 7, `INCOMING_DAYS` | days that a run has |
| | leases that have run out | 30, `LEASES_DAYS` | those taken again |
| | records of fetched listeners | 90, `LISTENERS_DAYS` | those of a day; the newest |
| `clean_logs` | log files on this machine's disk | 90, `LOGS_DAYS` | logs in remote storage |
| `clean_metadata` | old rows of Airflow's database | 365, `HISTORY_DAYS` | a DAG's last scheduled run |

The number is the default; 0 keeps for ever, as does `RATINGS_RETENTION_DAYS=never`. Ages count from the last change.
With `MODELS` 20, the newest 20 and the last 20 champions stay besides all that are in use; card, registry entry and
files of the others go together. Files with other names stay, and what is a link or behind one. What has landed, is
served or was delivered is never touched. Newsrooms clean up their models and tables in each run.

The tasks do not depend on each other. With the param `dry_run` they only log and count. `clean_metadata` runs
`airflow db clean` and needs the connection `quartet_metadata` of Airflow's database, which `make up` defines;
`purge_runs` needs `quartet_mlflow` where MLflow has a server of its own. Without its connection a task is skipped and
says so.
"""

from airflow.sdk import Param, dag, get_current_context, task

from dags.common import DEFAULTS, deadline
from quartet.alerts.failure import run_failed


@dag(
    schedule="30 2 * * *",
    max_active_runs=1,
    max_active_tasks=2,  # leaves slots for arriving data
    deadline=deadline(),
    on_failure_callback=run_failed,
    default_args=DEFAULTS,
    doc_md=__doc__,
    tags=["platform"],
    params={"dry_run": Param(False, type="boolean", description="only say what would be done")},
)
def housekeeping():
    """Make small again what grows."""

    def hook():
        from quartet.hooks.housekeeping import HousekeepingHook

        return HousekeepingHook(get_current_context()["params"]["dry_run"])

    @task
    def compact_ratings() -> dict:
        """Merge the small files of the training table; drop those of forgotten versions."""
        return hook().compact_ratings()

    @task
    def clean_ratings() -> dict:
        """Remove reports of old runs, and answers that were given anew."""
        return hook().clean_ratings()

    @task
    def remove_models() -> dict:
        """Remove models that nobody refers to."""
        return hook().remove_models()

    @task
    def purge_runs() -> dict:
        """Remove for good what was deleted in MLflow."""
        return hook().purge_runs()

    @task
    def clean_articles() -> dict:
        """Remove extracts and tables that no run reads."""
        return hook().clean_articles()

    @task
    def clean_audience() -> dict:
        """Remove files that ended tasks need no more."""
        return hook().clean_audience()

    @task
    def clean_songs() -> dict:
        """Remove what downloads and jobs have left."""
        return hook().clean_songs()

    @task
    def clean_logs() -> dict:
        """Remove old log files of this machine."""
        return hook().clean_logs()

    @task
    def clean_metadata() -> dict:
        """Remove old rows of Airflow's database."""
        return hook().clean_metadata()

    compact_ratings(), clean_ratings(), remove_models(), purge_runs()
    clean_articles(), clean_audience(), clean_songs()
    clean_logs(), clean_metadata()


housekeeping()
