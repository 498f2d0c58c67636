"""A task belongs to one run; a run that ends without its last words still says how it ended."""

from datetime import UTC, datetime

import pytest

from include.audience.pipeline import LabelingFailedError, Pipeline
from include.audience.results import state
from include.audience.results.state import TaskTakenError
from include.core.database.engine import open_engine
from tests.support.labeling import Lab, post

DAY = {"end_time": "2020-01-02 00:00:00"}


def of_another_run(lab: Lab) -> Pipeline:
    return lab.run_of(lab.task(), "another-run")


def test_a_second_run_with_the_same_id_touches_nothing(lab):
    lab.load(post("a", "Lily", "01:00:00"))
    before = lab.run()
    other = of_another_run(lab)
    for step in (other.open_task, lambda: other.label(0), other.close_labeling, other.produce, other.record_failure):
        with pytest.raises(TaskTakenError, match="belongs to the run run-1"):
            step()
    assert lab.outcome().content == before.content


def test_a_task_that_was_never_opened_says_so(lab):
    lab.pipeline("2").open_task()
    with pytest.raises(TaskTakenError, match="has not been opened"):
        lab.pipeline("3").close_labeling()


def test_a_run_that_fails_without_a_word_leaves_no_task_pending(lab):
    lab.load(post("a", "Lily", "01:00:00"), post("b", "Mark", "13:00:00"))
    steps = lab.pipeline(**DAY, batch_rows=1)
    steps.open_task()
    steps.label(0)
    steps.record_failure()
    found = lab.outcome().state
    assert (found["stat"], str(found["check_point"])[:19]) == ("FAILURE", "2020-01-01 06:00:00")
    assert "log in Airflow" in found["error_message"]


@pytest.mark.parametrize("ending", ["SUCCESS", "BREAK"])
def test_a_task_that_has_ended_stays_as_it_is(lab, ending):
    steps = lab.pipeline()
    if ending == "SUCCESS":
        lab.run()
    else:
        steps.open_task()
        with open_engine(lab.result_url) as engine:
            state.abort(engine, steps.task.task_id)
    before = lab.outcome()
    steps.record_failure()
    assert lab.outcome() == before
    assert before.state["stat"] == ending


def test_the_error_of_a_step_is_kept_for_the_end(lab):
    lab.rules("panel,keyword,match_type\nfemale,,partially\n")
    steps = lab.pipeline()
    with pytest.raises(ValueError, match="line 2"):
        steps.open_task()
    with pytest.raises(LabelingFailedError, match="line 2"):
        steps.close_labeling()
    found = lab.outcome().state
    assert (found["stat"], str(found["check_point"])[:19]) == ("FAILURE", "2020-01-01 00:00:00")
    assert found["error_message"].startswith("keyword_model/author_name.csv, line 2")


def test_a_batch_is_named_by_its_time(lab):
    steps = lab.pipeline(**DAY, batch_rows=1)
    for batch in steps.open_task():
        steps.label(batch)
    assert lab.batches[1:3] == [
        "2020-01-01 06:00 - 2020-01-01 12:00",
        "2020-01-01 12:00 - 2020-01-01 18:00",
    ]


def test_production_is_due_after_the_countdown(lab):
    steps = lab.pipeline(countdown=90)
    for batch in steps.open_task():
        steps.label(batch)
    due = datetime.fromisoformat(steps.close_labeling())
    assert due == datetime.fromtimestamp(lab.clock.seconds + 90, UTC)
