"""Params of a DAG from the fields of a model."""

from pydantic import BaseModel, Field

from include.core.params import param_schemas


class Request(BaseModel):
    """A request."""

    count: int = Field(default=5, ge=0, le=9, description="how many")
    name: str | None = Field(default=None, pattern="^[a-z]+$")


def test_a_field_has_types_limits_and_description_but_no_title_and_default():
    assert param_schemas(Request) == {
        "count": {"type": "integer", "minimum": 0, "maximum": 9, "description": "how many"},
        "name": {"type": ["string", "null"], "pattern": "^[a-z]+$"},
    }
