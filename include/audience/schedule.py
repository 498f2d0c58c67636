"""Labeling requests for a list of source schemas."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from include.audience.request import LabelingRequest, SchemasParams, validated
from include.core.errors import BadDataError


def last_year(instant: datetime) -> tuple[datetime, datetime]:
    """Return the first and the last second of the full year before *instant*, local time."""
    begin = datetime(instant.year - 1, 1, 1)
    return begin, datetime(instant.year, 1, 1) - timedelta(seconds=1)


def requests(params: Mapping[str, Any], instant: datetime, run_id: str) -> list[dict[str, Any]]:
    """
    Return the run to start for each schema.

    Args:
        params: the fields of `SchemasParams`.
        instant: instant of the run, local time.
        run_id: id of the run; the ids of the started runs are derived from it.

    Returns:
        For each schema `conf`, the fields of its request, and `trigger_run_id`, the id of its run.

    Raises:
        BadDataError: there is no schema, or a field is invalid.
    """
    asked = validated(SchemasParams, params)
    if not asked.schemas:
        raise BadDataError("schemas: at least one was expected; set AUDIENCE_CRON_SCHEMAS or the param")
    if unknown := asked.request.keys() - LabelingRequest.model_fields.keys():
        raise BadDataError(f"request: fields of a labeling request were expected, found {', '.join(sorted(unknown))}")
    first, last = last_year(instant)
    start, end = asked.start_time or first, asked.end_time or last
    shared = {**asked.request, "start_time": start.isoformat(), "end_time": end.isoformat()}
    return [
        {"conf": {**shared, "target_schema": schema}, "trigger_run_id": f"{run_id}__{schema}"}
        for schema in asked.schemas
    ]
