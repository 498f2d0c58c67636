"""When models are selected."""

from datetime import timedelta
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import CronTriggerTimetable

from include.core.settings import ROOT

FILE = Path(ROOT) / "dags" / "ratings_model_selection.py"


def schedule():
    """Return the schedule of the DAG, as its file says."""
    return DagBag(str(FILE)).dags["ratings_model_selection"].timetable


def test_a_new_platform_makes_no_selection_up():
    found = schedule()
    assert isinstance(found, CronTriggerTimetable)
    assert found.expression == "0 3 * * 0"
    assert found.run_immediately == timedelta(0)  # else on a Sunday: within a tenth of the week


def test_without_a_schedule_models_are_selected_by_hand_only(monkeypatch):
    monkeypatch.setenv("RATINGS_SELECTION_CRON", "never")
    assert schedule().can_be_scheduled is False
