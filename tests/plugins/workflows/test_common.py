"""End of a step that has nothing to do."""

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import NothingToDoError
from quartet.workflows.common import skipping

CONTEXT = {"dag_run": SimpleNamespace(dag_id="d", run_id="r")}


def test_a_step_with_nothing_to_do_is_skipped_with_a_note(notes):
    with pytest.raises(AirflowSkipException, match="nothing new"), skipping(CONTEXT):
        raise NothingToDoError("nothing new")
    assert notes == ["nothing new"]


def test_any_other_end_passes(notes):
    with skipping(CONTEXT):
        pass
    with pytest.raises(KeyError), skipping(CONTEXT):
        raise KeyError("x")
    assert notes == []
