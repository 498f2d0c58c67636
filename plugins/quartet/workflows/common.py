"""Code shared by the runs of all workflows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import NothingToDoError
from quartet.hooks.airflow_api import AirflowApiHook


@contextmanager
def skipping(context: Mapping[str, Any]) -> Iterator[None]:
    """
    Skip the task if its step raises `NothingToDoError`, and set the reason as the note of the run.

    Args:
        context: context of the Airflow task.
    """
    try:
        yield
    except NothingToDoError as reason:
        AirflowApiHook().note(context, str(reason))
        raise AirflowSkipException(str(reason)) from None
