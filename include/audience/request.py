"""What a labeling task is asked to do: the fields of the API's body and of the DAG's params alike."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema

from include.audience.settings import IDENTIFIER, AudienceSettings
from include.core.errors import BadDataError
from include.core.text import shown

FIRST, LAST = datetime(2020, 1, 1), datetime(2021, 1, 1)
MOMENT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)([T ](?P<time>\d\d:\d\d(:\d\d)?)([.,]\d+)?(?P<zone>Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)


class RangeError(BadDataError):
    """The range of a task is empty."""


def moment(value: object) -> datetime:
    """
    Read a time: `YYYY-MM-DD HH:MM:SS`, with `T` too, with an offset, or only a date, which is its midnight.

    Fractions of a second are cut off. The years are those that MariaDB holds, 1000 to 9998.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, datetime):
        return value.replace(microsecond=0)
    found = MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"a time such as 2020-01-31 00:00:00 was expected, found {shown(value)}")
    zone = (found["zone"] or "").upper().replace("Z", "+00:00")
    time = datetime.fromisoformat(f"{found['date']}T{found['time'] or '00:00:00'}{zone}")
    if not 1000 <= time.year <= 9998:
        raise ValueError(f"a year from 1000 to 9998 was expected, found {time.year}")
    return time


def local(time: datetime, zone: ZoneInfo) -> datetime:
    """Give a time with an offset as naive time of *zone*; a naive one is that already."""
    return time.astimezone(zone).replace(tzinfo=None) if time.tzinfo else time


def plain(text: str) -> str:
    """
    Give *text* as it is, if databases and queues can carry it.

    Raises:
        ValueError: it has half a character (`"\\ud800"` in JSON), or a NUL.
    """
    if "\0" in text or text.encode("utf-8", "replace").decode() != text:
        raise ValueError(f"Unicode text without NUL was expected, found {shown(text)}")
    return text


Moment = Annotated[
    datetime, BeforeValidator(moment), WithJsonSchema({"type": "string", "examples": ["2020-01-01 00:00:00"]})
]
Text = Annotated[str, AfterValidator(plain)]
Identifier = Annotated[str, Field(pattern=f"^{IDENTIFIER.pattern}$")]


class LabelingRequest(BaseModel):
    """What to label. Every field has a default."""

    model_type: Text = Field(default="keyword_model", description="`keyword_model` or `rule_model`")
    predict_type: Text = Field(default="author_name", description="`author_name`, `content` or `s_area_id`")
    start_time: Moment = Field(default=FIRST, description="first moment, inclusive")
    end_time: Moment = Field(default=LAST, description="last moment, inclusive")
    target_schema: Identifier = Field(default="", description="source schema; default: INPUT_SCHEMA")
    target_table: Identifier = Field(default="ts_page_content", description="source table")
    output_schema: Identifier = Field(default="", description="schema of the results; default: OUTPUT_SCHEMA")
    countdown: int = Field(default=5, ge=0, le=86_400, description="seconds between labeling and production")
    queue: Text = Field(default="queue1", max_length=256, description="kept with the request")


@dataclass(frozen=True)
class Task:
    """A labeling task: a request with all defaults filled in, and its id."""

    task_id: str
    model_type: str
    predict_type: str
    """The source column where it is `author`, else as requested."""
    start_time: datetime
    end_time: datetime
    target_schema: str
    target_table: str
    output_schema: str
    countdown: int
    queue: str

    @property
    def date_range(self) -> str:
        """`<start> - <end>`, as people read it."""
        return f"{self.start_time:%Y-%m-%d %H:%M:%S} - {self.end_time:%Y-%m-%d %H:%M:%S}"

    def check(self) -> None:
        """
        Check what the types of the fields do not say.

        Raises:
            RangeError: the range is empty.
        """
        if self.start_time >= self.end_time:
            raise RangeError("start_time must be earlier than end_time")

    def as_json(self) -> dict[str, Any]:
        """Give all fields as JSON has them; `from_json` reads them."""
        return asdict(self) | {"start_time": self.start_time.isoformat(), "end_time": self.end_time.isoformat()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Task":
        """Read what `as_json` gave."""
        times: dict[str, Any] = {name: datetime.fromisoformat(fields[name]) for name in ("start_time", "end_time")}
        return cls(**(fields | times))


def from_params(params: Mapping[str, Any], settings: AudienceSettings, task_id: str) -> Task:
    """
    Read the params of a DAG run.

    Args:
        params: the fields of a request, and `task_id`; those that are `None` or missing take their defaults.
        settings: defaults and zone.
        task_id: the id if the params have none.

    Raises:
        BadDataError: a field is not valid.
    """
    given = {name: params[name] for name in LabelingRequest.model_fields if params.get(name) is not None}
    try:
        request = LabelingRequest.model_validate(given)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise BadDataError("; ".join(problems)) from None
    return make_task(request, settings, params.get("task_id") or task_id)


def make_task(request: LabelingRequest, settings: AudienceSettings, task_id: str | None = None) -> Task:
    """
    Fill in the defaults and bring the times into the workflow's zone.

    Args:
        request: what was asked for.
        settings: defaults and zone.
        task_id: 32 hexadecimal digits; `None`: a new one.
    """
    author = request.predict_type in ("author", "author_name")
    return Task(
        task_id=task_id or uuid.uuid4().hex,
        model_type=request.model_type,
        predict_type="author" if author else request.predict_type,
        start_time=local(request.start_time, settings.zone),
        end_time=local(request.end_time, settings.zone),
        target_schema=request.target_schema or settings.input_schema,
        target_table=request.target_table,
        output_schema=request.output_schema or settings.output_schema,
        countdown=request.countdown,
        queue=request.queue,
    )
