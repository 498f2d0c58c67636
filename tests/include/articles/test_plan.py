from datetime import UTC, datetime, timedelta

import pytest

from include.articles import plan as plans
from include.articles.layout import RunFiles
from include.articles.plan import NoPlanError, Plan
from include.articles.settings import ArticleSettings
from include.core.errors import BadDataError, DamagedObjectError

RUN_AT = datetime(2026, 3, 10, 12, tzinfo=UTC)


def plan(run_id="manual__1"):
    return Plan("the-post", run_id, RUN_AT, True, ArticleSettings(max_recs=5))


def test_a_plan_is_read_as_it_was_pinned(tmp_path):
    plans.pin(RunFiles(tmp_path), plan())
    found = plans.load(RunFiles(tmp_path))
    assert found.as_json() == plan().as_json()
    assert found.settings.max_recs == 5


def test_without_a_plan_the_error_names_the_next_step(tmp_path):
    with pytest.raises(NoPlanError, match="clear the run from its first task, create_model"):
        plans.load(RunFiles(tmp_path))


@pytest.mark.parametrize("text", ["2026-03-10T12:00:00Z", "2026-03-10T14:00:00+02:00", "2026-03-10T07:00:00-05:00"])
def test_an_instant_is_in_utc(text):
    assert plans.parse_run_at(text) == RUN_AT
    assert plans.parse_run_at(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["2026-03-10T12:00:00", "yesterday", "2026-13-10T12:00:00Z", "", 5, "0001-01-01T00:00:00+14:00"],
)
def test_an_instant_without_offset_or_sense_is_refused(text):
    with pytest.raises(BadDataError, match="run_at: an instant"):
        plans.parse_run_at(text)


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=5), timedelta(days=-3650)])
def test_an_instant_up_to_the_present_is_taken(ahead):
    plans.check_run_at(RUN_AT + ahead, RUN_AT)


@pytest.mark.parametrize(
    "run_at", [RUN_AT + timedelta(minutes=6), datetime(2027, 1, 5, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)]
)
def test_an_instant_in_the_future_or_before_all_events_is_refused(run_at):
    with pytest.raises(BadDataError, match=r"run_at: an instant from 1970 to now .2026-03-10T12:00:00.00:00. was"):
        plans.check_run_at(run_at, RUN_AT)


@pytest.mark.parametrize("content", ["[]", '"x"', "{}", '{"site": "a", "parameters": []}', "{", "7"])
def test_a_plan_that_is_damaged_is_named(tmp_path, content):
    RunFiles(tmp_path).plan.write_text(content)
    with pytest.raises(DamagedObjectError, match=r"plan\.json is not"):
        plans.load(RunFiles(tmp_path))
    if content != "{":
        assert plans.load_site(RunFiles(tmp_path)) is None
