"""Wait for a moment, without a worker and without a wait when it has passed."""

from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import Context


class CountdownSensor(DateTimeSensorAsync):
    """
    Wait until a moment; one that has passed costs nothing, where its parent would ask the triggerer all the same.

    :param target_time: the moment, ISO 8601 with its offset; templated.
    """

    def execute(self, context: Context) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return at once, or leave the wait to the triggerer, which ends the task."""
        if not self.poke(context):
            super().execute(context)
