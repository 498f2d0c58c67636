"""Deferrable wait until a time; returns at once if it has passed."""

from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import Context


class CountdownSensor(DateTimeSensorAsync):
    """
    Wait until a time; unlike its parent, do not defer if the time has passed.

    :param target_time: the time, ISO 8601 with an offset; templated.
    """

    def execute(self, context: Context) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return at once, or defer to the triggerer, which ends the task."""
        if not self.poke(context):
            super().execute(context)
