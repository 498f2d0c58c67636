"""Fields of a pydantic model as the params of a DAG."""

from typing import Any

from pydantic import BaseModel

_LEFT_OUT = ("anyOf", "default", "examples", "title")


def param_schemas(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """
    Return the JSON schema of each field of *model*, by field name, in the form that Airflow's trigger page expects.

    An optional field has the types of its value and `null`, instead of alternatives (`anyOf`).
    """
    properties = model.model_json_schema(by_alias=False)["properties"]
    return {name: _param_schema(field) for name, field in properties.items()}


def optional(schema: dict[str, Any], *types: str) -> dict[str, Any]:
    """Return a schema that accepts *types* and `null`, too."""
    own = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, **enum, "type": list(dict.fromkeys([*own, *types, "null"]))}


def _param_schema(field: dict[str, Any]) -> dict[str, Any]:
    schema = {key: value for key, value in field.items() if key not in _LEFT_OUT}
    options = field.get("anyOf", [])
    for option in options:
        if option["type"] != "null":
            schema |= option
    return optional(schema) if options else schema
