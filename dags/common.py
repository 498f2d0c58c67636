"""Code shared by the DAGs: assets, default arguments, retry policy, alerts."""

from datetime import timedelta

from airflow.sdk import (
    Asset,
    AssetWatcher,
    AsyncCallback,
    DeadlineAlert,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
)

from include.core.settings import PlatformSettings
from quartet.alerts.deadline import RunCreated, deadline_missed
from quartet.triggers.arrival import ArrivalTrigger

_settings = PlatformSettings.load()

DEFAULTS = {
    "retries": _settings.task_retries,
    "retry_delay": timedelta(seconds=5),
    "retry_policy": ExceptionRetryPolicy(
        [RetryRule("include.core.errors.BadDataError", RetryAction.FAIL, reason="the same data would fail again")]
    ),
    "execution_timeout": timedelta(hours=1),
}

USUAL_MINUTES = _settings.deadline_minutes


def deadline(minutes: float = USUAL_MINUTES) -> DeadlineAlert:
    """Build an alert that is raised if a run is not finished *minutes* after its creation."""
    callback = AsyncCallback(deadline_missed, kwargs={"minutes": minutes})
    return DeadlineAlert(reference=RunCreated(), interval=timedelta(minutes=minutes), callback=callback)


def _arrivals(name: str, prefix: str) -> Asset:
    """Build the asset of the objects that arrive below *prefix* in the platform's storage."""
    trigger = ArrivalTrigger(prefix=prefix, poll_seconds=_settings.poll_seconds)
    return Asset(name, watchers=[AssetWatcher(name=f"{name}_arrivals", trigger=trigger)])


RATINGS_TRAINING = _arrivals("ratings_training", "ratings/training")
"""Submitted ratings, one file per request."""
RATINGS_STREAMING = _arrivals("ratings_streaming", "ratings/streaming")
"""Submitted pairs to predict, one file per request."""
RATINGS_MODEL = Asset("ratings_model")
"""The champion among the rating models."""
SONG_PLAYS = Asset("song_plays")
"""A day's plays and their counts, complete and checked; events carry the day's report."""
