"""The job of song plays on Spark."""

from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import Context

from include.core.errors import BadDataError
from include.core.settings import ROOT


class PlaysOperator(SparkSubmitOperator):
    """
    Submit the job of a run's day to Spark, and keep the day's lease meanwhile.

    Where it runs is said by the connection, how large it is by the settings.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(application=str(ROOT / "include/songs/engines/spark_job.py"), durable=False, **kwargs)

    def execute(self, context: Context) -> None:
        """Submit, and wait for the end."""
        from include.core.storage import hadoop_uri, read_json
        from include.songs.settings import SongSettings
        from quartet.workflows.songs import SongsHook, minrows_of

        hook, settings = SongsHook(), SongSettings.load()
        with hook.inputs(context) as inputs:
            self.application_args = [
                *("--day", hook.day(context).isoformat()),
                *("--minrows", str(minrows_of(context, settings))),
                *("--listeners_path", hadoop_uri(inputs.listeners)),
                *("--spins_path", hadoop_uri(inputs.spins)),
                *("--dataset_out_path", hadoop_uri(inputs.dataset)),
                *("--analysis_out_path", hadoop_uri(inputs.counts)),
                *("--report_timezone", settings.report_timezone),
                *("--metrics_path", hadoop_uri(inputs.metrics)),
            ]
            try:
                super().execute(context)
            except Exception:
                report = read_json(inputs.metrics)
                if report and "error" in report:  # another try would end in the same way
                    raise BadDataError(report["error"]) from None
                raise
