"""CountdownSensor: costs nothing when the moment has passed, waits without a worker before."""

from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import TaskDeferred

from quartet.sensors.countdown import CountdownSensor


def sensor(seconds: int) -> CountdownSensor:
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return CountdownSensor(task_id="countdown", target_time=moment.isoformat())


def test_a_moment_that_has_passed_is_not_waited_for():
    assert sensor(-1).execute(Context()) is None


def test_a_moment_to_come_is_left_to_the_triggerer():
    with pytest.raises(TaskDeferred) as deferred:
        sensor(60).execute(Context())
    waits = deferred.value.trigger.moment - datetime.now(UTC)
    assert timedelta(seconds=55) < waits <= timedelta(seconds=60)
