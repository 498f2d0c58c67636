"""Code shared by the DAGs: assets, default arguments, retry policy, params, alerts."""

from datetime import timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    AssetWatcher,
    AsyncCallback,
    DeadlineAlert,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
)
from pydantic import BaseModel

from include.core.params import param_schemas
from include.core.settings import PlatformSettings
from quartet.alerts.deadline import RunCreated, deadline_missed
from quartet.triggers.arrival import ArrivalTrigger

_settings = PlatformSettings.load()

DEFECTS: list[type[BaseException] | str] = [
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, TypeError,
]  # fmt: skip
"""Errors of our own code, which no retry mends."""
DEFAULTS = {
    "retries": _settings.task_retries,
    # a storage, database or site that is away for some minutes costs no run
    "retry_delay": timedelta(seconds=_settings.retry_seconds),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": ExceptionRetryPolicy(
        [
            RetryRule("include.core.errors.BadDataError", RetryAction.FAIL, reason="the same data would fail again"),
            RetryRule(DEFECTS, RetryAction.FAIL, reason="the same code would fail again"),
        ]
    ),
    "execution_timeout": timedelta(hours=1),
    # by default a task weighs as much as all that come after it: a backlog of long DAGs would come first
    "weight_rule": "absolute",
    "priority_weight": 1,
}
AWAITED = DEFAULTS | {"priority_weight": 100}
"""Default arguments of tasks whose result somebody waits for: a free worker takes them first."""

USUAL_MINUTES = _settings.deadline_minutes


def deadline(minutes: float = USUAL_MINUTES) -> DeadlineAlert:
    """Build an alert that is raised if a run is not finished *minutes* after its creation."""
    callback = AsyncCallback(deadline_missed, kwargs={"minutes": minutes})
    return DeadlineAlert(reference=RunCreated(), interval=timedelta(minutes=minutes), callback=callback)


def params_of(model: type[BaseModel], **defaults: Any) -> dict[str, Param]:
    """Build the params of a DAG from the fields of *model*; *defaults* replace those of the model."""
    return {
        name: Param(defaults.get(name, model.model_fields[name].default), **schema)
        for name, schema in param_schemas(model).items()
    }


def _arrivals(name: str, prefix: str, leftover: str) -> Asset:
    """Build the asset of the objects that arrive below *prefix* in the storage, or are *leftover* there."""
    trigger = ArrivalTrigger(prefix=prefix, poll_seconds=_settings.poll_seconds, leftover=leftover)
    return Asset(name, watchers=[AssetWatcher(name=f"{name}_arrivals", trigger=trigger)])


RATINGS_TRAINING = _arrivals("ratings_training", "ratings/training", "quartet.workflows.ratings.untrained")
"""Submitted ratings, one file per request."""
RATINGS_STREAMING = _arrivals("ratings_streaming", "ratings/streaming", "quartet.workflows.ratings.unanswered")
"""Submitted pairs to predict, one file per request."""
RATINGS_MODEL = Asset("ratings_model")
"""The champion among the rating models."""
SONG_PLAYS = Asset("song_plays")
"""A day's plays and their counts, complete and checked; events carry the day's report."""
