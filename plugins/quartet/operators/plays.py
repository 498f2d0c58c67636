"""The job of song plays on Spark."""

from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import Context

from include.core.settings import ROOT


class PlaysOperator(SparkSubmitOperator):
    """
    Submit the job of a run's day to Spark, and keep the day's lease meanwhile.

    The connection names the cluster; the settings give the job its memory and cores.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(application=str(ROOT / "include/songs/engines/spark_job.py"), durable=False, **kwargs)

    def execute(self, context: Context) -> None:
        """Submit the job and wait for its end; raises `BadDataError` if its sources are wrong."""
        from quartet.workflows.songs import songs_run

        with songs_run(context) as run, run.spark() as arguments:
            self.application_args = arguments
            super().execute(context)
