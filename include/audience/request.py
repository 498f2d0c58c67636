"""
Fields of a labeling request: the only source for the body of the API and for the params of both DAGs.

The JSON schemas list the known model and predict types, but unknown ones are accepted here: the API answers them with
`error_code` 501.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema

from include.audience.rules.ruleset import MODEL_TYPES, PREDICT_TYPES
from include.audience.settings import IDENTIFIER
from include.core.errors import BadDataError
from include.core.text import excerpt

M = TypeVar("M", bound=BaseModel)

TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"([Tt ]([0-9]{2}:[0-9]{2}(:[0-9]{2})?)([.,][0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
"""A date, or a date and a time with an optional offset; JSON schema knows neither flags nor names of groups."""
MAX_RULES_CHARACTERS = 900_000
YEARS = range(1000, 9999)
"""Years that MariaDB can store, without the last one."""


def parse_time(value: object) -> datetime:
    """
    Parse a time: `YYYY-MM-DD HH:MM:SS`, also with `T` or an offset, or a date, which means its midnight.

    Fractions of a second are cut off.

    Raises:
        ValueError: the value has another form, or its year is not in `YEARS`.
    """
    if isinstance(value, datetime):
        return value.replace(microsecond=0)
    found = TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"a time such as 2020-01-31 00:00:00 was expected, found {excerpt(value)}")
    date, _, clock, _, _, zone = found.groups()
    time = datetime.fromisoformat(f"{date}T{clock or '00:00:00'}{(zone or '').upper().replace('Z', '+00:00')}")
    if time.year not in YEARS:
        raise ValueError(f"a year from {YEARS[0]} to {YEARS[-1]} was expected, found {time.year}")
    return time


def check_text(text: str) -> str:
    """
    Return *text* if databases and queues can store it.

    Raises:
        ValueError: it contains half a surrogate pair (`"\\ud800"` in JSON), or NUL.
    """
    if "\0" in text or text.encode("utf-8", "replace").decode() != text:
        raise ValueError(f"Unicode text without NUL was expected, found {excerpt(text)}")
    return text


def validated(model: type[M], fields: Mapping[str, Any]) -> M:
    """
    Build *model* from its *fields*; other fields are ignored.

    Raises:
        BadDataError: a field is invalid.
    """
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise BadDataError("; ".join(reasons)) from None


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):  # which Python takes for 1 and 0
        raise ValueError(f"an integer was expected, found {str(value).lower()}")
    return value


def _enum(*values: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(values)})


Text = Annotated[str, AfterValidator(check_text)]
Identifier = Annotated[str, Field(pattern=f"^{IDENTIFIER.pattern}$")]
Time = Annotated[
    datetime,
    BeforeValidator(parse_time),
    WithJsonSchema({"type": "string", "pattern": f"^{TIME.pattern}$", "examples": ["2020-01-01 00:00:00"]}),
]
OptionalTime = Annotated[
    datetime | None,
    BeforeValidator(lambda value: parse_time(value) if value else None),
    WithJsonSchema({"type": ["string", "null"], "pattern": f"^({TIME.pattern})?$"}),
]


class PostsRequest(BaseModel):
    """Posts of a time range, and the kind of rules for them. Every field has a default."""

    model_type: Annotated[Text, _enum(*MODEL_TYPES)] = Field(default="keyword_model", description="kind of the rules")
    predict_type: Annotated[Text, _enum("author_name", "author", *PREDICT_TYPES[1:])] = Field(
        default="author_name", description="column to label; `author` is a synonym of `author_name`"
    )
    start_time: Time = Field(
        default="2020-01-01 00:00:00", validate_default=True, description="start of the time range, inclusive"
    )
    end_time: Time = Field(
        default="2021-01-01 00:00:00", validate_default=True, description="end of the time range, inclusive"
    )
    target_schema: Identifier = Field(default="", description="source schema; default: INPUT_SCHEMA")
    target_table: Identifier = Field(default="ts_page_content", description="source table")


class LabelingRequest(PostsRequest):
    """What to label. Every field has a default."""

    output_schema: Identifier = Field(default="", description="schema of the results; default: OUTPUT_SCHEMA")
    countdown: Annotated[int, BeforeValidator(_no_truth_value)] = Field(
        default=5, ge=0, le=86_400, description="seconds between labeling and production"
    )
    queue: Text = Field(default="queue1", max_length=256, description="stored with the request")


class PreviewRequest(PostsRequest):
    """New rules, and the posts on which they are compared with those in force. Every field has a default."""

    rules: Text = Field(default="", max_length=MAX_RULES_CHARACTERS, description="the new rules, as in a rules file")
    folder: Annotated[str, Field(pattern=f"^({IDENTIFIER.pattern})?$")] = Field(
        default="", description="folder of the new rules below AUDIENCE_RULES_DIR, instead of `rules`"
    )
    sample_posts: Annotated[int, BeforeValidator(_no_truth_value)] = Field(
        default=50_000, ge=0, description="draw random windows with about as many posts; 0: read all posts"
    )


class PreviewParams(PreviewRequest):
    """Params of the DAG `audience_rules_preview`."""

    preview_id: str | None = Field(
        default=None, pattern="^[0-9a-f]{32}$", description="id of the preview; empty: a new one is generated"
    )


class RunParams(LabelingRequest):
    """Params of the DAG `audience_labeling`."""

    task_id: str | None = Field(
        default=None, pattern="^[0-9a-f]{32}$", description="id of the task; empty: a new one is generated"
    )


class SchemasParams(BaseModel):
    """Params of the DAG `audience_schemas`."""

    schemas: list[Identifier] = Field(default=[], description="source schemas", json_schema_extra={"uniqueItems": True})
    start_time: OptionalTime = Field(default=None, description="start of the time range; empty: start of the last year")
    end_time: OptionalTime = Field(default=None, description="end of the time range; empty: end of the last year")
    request: dict[str, Any] = Field(default={}, description="other fields of the requests, such as `predict_type`")
