"""Results of the demo's labeling task."""

import pytest

from deploy.demo import audience
from deploy.demo.client import DemoError


def test_results_are_read_from_the_lists():
    state = {"result": "a,b", "length_prod_table": "2,30", "uniq_source_author": "4,60", "rate_of_label": "50.0,50.1"}
    assert audience._results(state) == [("b", 30, 60, "50.1"), ("a", 2, 4, "50.0")]
    single = {"result": "a", "length_prod_table": 2, "uniq_source_author": "4", "rate_of_label": "50.0"}
    assert audience._results(single) == [("a", 2, 4, "50.0")]
    nothing = {"result": "", "length_prod_table": 0, "uniq_source_author": None, "rate_of_label": None}
    assert audience._results(nothing) == []


def test_an_error_of_the_audience_api_is_raised():
    with pytest.raises(DemoError, match="answered 503: no database"):
        audience._checked({"error_code": 503, "error_message": "no database"})
