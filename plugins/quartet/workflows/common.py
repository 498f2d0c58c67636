"""Code shared by the runs of all workflows."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import BadDataError, NothingToDoError
from include.core.text import excerpt
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


def json_variable(name: str) -> dict[str, Any]:
    """
    Return the JSON object that an Airflow Variable holds; an empty one if the Variable is not set or blank.

    Raises:
        BadDataError: it holds something else; the message names the Variable.
    """
    text = Variable.get(name, default="")
    if not isinstance(text, str) or not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadDataError(f"the Airflow Variable {name}: a JSON object was expected: {error}") from None
    if not isinstance(found, dict):
        raise BadDataError(f"the Airflow Variable {name}: a JSON object was expected, found {excerpt(found)}")
    return found
