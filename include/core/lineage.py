"""
Provenance in the words of others: W3C PROV-JSON, and events of OpenLineage.

In PROV a row and each of its sources are entities, its run is an activity. In OpenLineage each explained row is the
output of one finished run, and its sources are the inputs; the facet `subset` says which rows of a data set are meant.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from include.core.provenance import SCHEME, MadeBy, Record, Source, at

_PRODUCER = "urn:quartet"
_SPECIFICATION = "https://openlineage.io/spec"
_EVENT = f"{_SPECIFICATION}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = f"{_SPECIFICATION}/facets/1-0-0"
_DATA = "urn:quartet:data:"
_RUN = "urn:quartet:run:"


def records(record: Record) -> Iterator[Record]:
    """Yield a record, and those of its sources that were explained, each row once."""
    seen: set[str] = set()
    waiting = [record]
    while waiting:
        each = waiting.pop(0)
        if each.row not in seen:
            seen.add(each.row)
            yield each
            waiting += [source.why for source in each.sources if source.why]


def as_prov(record: Record) -> dict[str, Any]:
    """
    Return a record as PROV-JSON.

    Values that are no text or number are JSON in a text. The attributes of a source are those of `Source`.
    """
    entities: dict[str, Any] = {}
    activities: dict[str, Any] = {}
    generated: dict[str, Any] = {}
    used: dict[str, Any] = {}
    derived: dict[str, Any] = {}
    for each in records(record):
        row, run = _row_name(each.row), _run_name(each)
        entities.setdefault(row, {}).update(_attributes({"value": each.value}))
        made = each.made_by
        activities[run] = _attributes(
            {
                "dag": made.dag,
                "run": made.run,
                "task": made.task,
                "code": made.code,
                "parameters": dict(made.parameters),
            }
        )
        generated[f"_:generated{len(generated)}"] = {"prov:entity": row, "prov:activity": run}
        for source in each.sources:
            name = _row_name(source.row) if source.row else _source_name(source)
            found = {key: value for key, value in vars(source).items() if key not in ("row", "why", "share")}
            entities.setdefault(name, {}).update(_attributes(found))
            used[f"_:used{len(used)}"] = {"prov:activity": run, "prov:entity": name} | _attributes(
                {"share": source.share}
            )
            derived[f"_:derived{len(derived)}"] = {
                "prov:generatedEntity": row,
                "prov:usedEntity": name,
                "prov:activity": run,
            }
    prefixes = {"row": f"{SCHEME}://", "data": _DATA, "run": _RUN, "quartet": f"{_PRODUCER}:"}
    relations = {"wasGeneratedBy": generated, "used": used, "wasDerivedFrom": derived}
    return {"prefix": prefixes, "entity": entities, "activity": activities, **relations}


def as_openlineage(record: Record, now: str) -> list[dict[str, Any]]:
    """
    Return a record as events of OpenLineage, one for each explained row.

    Args:
        record: the record.
        now: time of the events whose run has no known end, ISO 8601.
    """
    return [
        {
            "eventType": "COMPLETE",
            "eventTime": each.checked.when if each.checked else now,
            "producer": _PRODUCER,
            "schemaURL": _EVENT,
            "run": {"runId": str(uuid5(NAMESPACE_URL, _run_name(each)))},
            "job": {"namespace": SCHEME, "name": ".".join(filter(None, (each.made_by.dag, each.made_by.task)))},
            "inputs": [_input(source) for source in each.sources],
            "outputs": [
                {
                    "namespace": SCHEME,
                    "name": each.row.rpartition("/")[0].removeprefix(f"{SCHEME}://"),
                    "outputFacets": {"subset": _facet("OutputSubset", outputCondition=at(each.row))},
                }
            ],
        }
        for each in records(record)
    ]


def _input(source: Source) -> dict[str, Any]:
    found: dict[str, Any] = {"namespace": SCHEME, "name": source.uri}
    if source.version:
        found["facets"] = {"version": _facet("DatasetVersion", datasetVersion=source.version)}
    if source.selector:
        found["inputFacets"] = {"subset": _facet("InputSubset", inputCondition=source.selector)}
    return found


def _facet(kind: str, **content: Any) -> dict[str, Any]:
    return {"_producer": _PRODUCER, "_schemaURL": f"{_FACETS}/{kind}DatasetFacet.json", **content}


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"quartet:{name}": value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)
        for name, value in values.items()
        if value is not None
    }


def _row_name(uri: str) -> str:
    return "row:" + uri.removeprefix(f"{SCHEME}://")


def _source_name(source: Source) -> str:
    return "data:" + _digest([source.uri, source.version, source.sha256, source.selector])


def _run_name(record: Record) -> str:
    made: MadeBy = record.made_by
    return "run:" + _digest([made.dag, made.run, made.task, None if made.run else record.row])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
