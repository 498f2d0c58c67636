"""Params of a DAG from the fields of a model."""

from typing import Literal

from pydantic import BaseModel, Field

from include.core.params import optional, param_schemas


class Request(BaseModel):
    """A request."""

    count: int = Field(default=5, ge=0, le=9, description="how many")
    name: str | None = Field(default=None, pattern="^[a-z]+$")
    kind: Literal["a", "b"] | None = None


def test_a_field_has_types_limits_and_description_but_no_title_and_default():
    assert param_schemas(Request) == {
        "count": {"type": "integer", "minimum": 0, "maximum": 9, "description": "how many"},
        "name": {"type": ["string", "null"], "pattern": "^[a-z]+$"},
        "kind": {"type": ["string", "null"], "enum": ["a", "b", None]},
    }


def test_a_field_can_be_made_optional():
    assert optional({"type": "number", "minimum": 0}, "string") == {"type": ["number", "string", "null"], "minimum": 0}
    assert optional({"type": ["string", "null"]}) == {"type": ["string", "null"]}
