"""Fields of a request: the API and the params of the DAGs accept the same times."""

import re
from datetime import datetime

import pytest
from pydantic import ValidationError

from include.audience.request import LabelingRequest, RunParams, SchemasParams, parse_time
from include.core.params import param_schemas

TIMES = {
    "2020-01-31": datetime(2020, 1, 31),
    "2020-01-31 12:30": datetime(2020, 1, 31, 12, 30),
    "2020-01-31 12:30:15": datetime(2020, 1, 31, 12, 30, 15),
    "2020-01-31T12:30:15": datetime(2020, 1, 31, 12, 30, 15),
    "2020-01-31t12:30:15": datetime(2020, 1, 31, 12, 30, 15),
    "2020-01-31 12:30:15.999": datetime(2020, 1, 31, 12, 30, 15),
    "2020-01-31 12:30,5": datetime(2020, 1, 31, 12, 30),
}
OFFSETS = ["Z", "z", "+00:00", "-0000"]
WRONG = [
    "",
    "soon",
    "2020",
    "2020-1-31",
    "2020-01-31 12",
    "2020-01-31Z",
    "2020-01-31 12:30 Z",
    "x2020-01-31",
    "\u0662020-01-31",
]


def pattern(model: type, field: str) -> str:
    return param_schemas(model)[field]["pattern"]


@pytest.mark.parametrize("text", TIMES)
def test_times_of_the_api_are_times_of_the_dags(text):
    assert parse_time(text) == LabelingRequest(start_time=text).start_time == TIMES[text]
    for model in (RunParams, SchemasParams):
        assert re.search(pattern(model, "start_time"), text)
    for offset in OFFSETS if ":" in text else ():
        assert parse_time(text + offset).utcoffset() is not None
        assert re.search(pattern(RunParams, "end_time"), text + offset)


@pytest.mark.parametrize("text", WRONG)
def test_other_texts_are_no_times(text):
    with pytest.raises(ValidationError):
        LabelingRequest(start_time=text)
    assert not re.search(pattern(RunParams, "start_time"), text)


def test_a_list_of_schemas_may_leave_its_times_out():
    for empty in (None, ""):
        assert SchemasParams(start_time=empty).start_time is None
    assert re.search(pattern(SchemasParams, "start_time"), "")
    assert param_schemas(SchemasParams)["start_time"]["type"] == ["string", "null"]


def test_the_schemas_list_known_types_and_the_api_accepts_others():
    schemas = param_schemas(LabelingRequest)
    assert schemas["model_type"]["enum"] == ["keyword_model", "rule_model"]
    assert schemas["predict_type"]["enum"] == ["author_name", "author", "content", "s_area_id"]
    assert LabelingRequest(model_type="x").model_type == "x"  # answered with `error_code` 501


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_no_number_of_seconds(value):
    with pytest.raises(ValidationError, match=f"an integer was expected, found {str(value).lower()}"):
        LabelingRequest(countdown=value)
    assert LabelingRequest(countdown="7").countdown == 7
    assert param_schemas(RunParams)["countdown"]["type"] == "integer"
