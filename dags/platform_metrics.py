"""
# Report how the platform stands

Every five minutes, where `QUARTET_OTEL_ENDPOINT` names a collector, else only by hand: what no run would tell, since it
grows when no run comes. What a run itself finds out it reports when it ends. [metrics.md](metrics.md) explains all
figures.

| task | reads | reports |
|---|---|---|
| `ratings` | landed files, answers, training table, champion | waiting files, age of the data, error of the model |
| `articles` | the models that are served | the age of each |
| `songs` | what is known of the days | the time since the end of the newest one |

In the log of a task the figures stand in any case.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from dags.common import DEFAULTS, deadline
from include.core.settings import PlatformSettings
from quartet.alerts.failure import run_failed


@dag(
    schedule="*/5 * * * *" if PlatformSettings.load().otel_endpoint else None,
    max_active_runs=1,
    catchup=False,
    deadline=deadline(),
    on_failure_callback=run_failed,
    default_args=DEFAULTS | {"execution_timeout": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["platform"],
)
def platform_metrics():
    """Measure what waits and what ages."""

    @task
    def ratings() -> None:
        """Measure queue, data and champion of the ratings."""
        import time

        from include.ratings import figures
        from quartet.hooks import metrics
        from quartet.hooks.storage import StorageHook

        metrics.send("ratings", figures.current(StorageHook().store("ratings"), time.time()))

    @task
    def articles() -> None:
        """Measure the age of what the newsrooms' readers are served."""
        from quartet.hooks.articles import measure_models

        measure_models()

    @task
    def songs() -> None:
        """Measure how old the newest delivered day is."""
        from quartet.hooks import metrics
        from quartet.hooks.songs import SongsHook

        metrics.send("songs", SongsHook().lag())

    ratings(), articles(), songs()


platform_metrics()
