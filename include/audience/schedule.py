"""One labeling request for each schema of a list."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from include.audience.request import LabelingRequest, moment
from include.core.errors import BadDataError


def last_year(instant: datetime) -> tuple[datetime, datetime]:
    """Give first and last second of the full year before *instant*, local time."""
    begin = datetime(instant.year - 1, 1, 1)
    return begin, datetime(instant.year, 1, 1) - timedelta(seconds=1)


def requests(params: Mapping[str, Any], instant: datetime, run_id: str) -> list[dict[str, Any]]:
    """
    List what starts the labeling of each schema.

    Args:
        params: `schemas`, `start_time` and `end_time` (text or `None`), `request` (further fields).
        instant: of the run, local time.
        run_id: name of the run that makes them; theirs are made from it.

    Returns:
        For each schema `conf`, the fields of its request, and `trigger_run_id`, the name of its run.

    Raises:
        BadDataError: there is no schema, or a time is not valid.
    """
    if not params["schemas"]:
        raise BadDataError("schemas: one at least was expected; name them in AUDIENCE_CRON_SCHEMAS or in the params")
    try:
        first, last = last_year(instant)
        start, end = moment(params["start_time"] or first), moment(params["end_time"] or last)
    except ValueError as error:
        raise BadDataError(str(error)) from None
    if unknown := params["request"].keys() - LabelingRequest.model_fields.keys():
        raise BadDataError(f"request: fields of a labeling request were expected, found {', '.join(sorted(unknown))}")
    shared = {**params["request"], "start_time": start.isoformat(), "end_time": end.isoformat()}
    return [
        {"conf": {**shared, "target_schema": schema}, "trigger_run_id": f"{run_id}__{schema}"}
        for schema in params["schemas"]
    ]
