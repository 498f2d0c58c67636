"""
# Keep house

Every night, what grows is made small again; nothing that somebody uses is removed.

| task | reads | writes |
|---|---|---|
| `compact_ratings` | the training table of the ratings | the same rows in few files, as a version that is no new data |

Old versions of the training table stay readable for ever, or for `RATINGS_RETENTION_DAYS`; a version that a model was
trained on stays in any case.
"""

from airflow.sdk import dag, get_current_context, task

from dags.common import DEFAULTS


@dag(schedule="30 2 * * *", max_active_runs=1, default_args=DEFAULTS, doc_md=__doc__, tags=["platform"])
def housekeeping():
    """Compact what many small commits have left."""

    @task
    def compact_ratings() -> dict:
        """Merge the small files of the training table."""
        from include.ratings import provenance
        from include.ratings.ledger import Ledger
        from include.ratings.settings import RatingsSettings
        from quartet.hooks.airflow_api import AirflowApiHook
        from quartet.hooks.storage import StorageHook

        store = StorageHook().store("ratings")
        used = provenance.versions_used(store.path)
        counts = Ledger(store.below("training_table")).compact(RatingsSettings.load().retention, used)
        AirflowApiHook().note(get_current_context(), f"{counts['files_merged']} files of the training table merged")
        return counts

    compact_ratings()


housekeeping()
