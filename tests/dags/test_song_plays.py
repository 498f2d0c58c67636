"""The schedule of the song plays, and what a run may be told."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, CronDataIntervalTimetable
from airflow.sdk.exceptions import ParamValidationError

FILE = Path(__file__).resolve().parents[2] / "dags/song_plays.py"
NEW_YORK = ZoneInfo("America/New_York")


def load(monkeypatch: pytest.MonkeyPatch, **settings: str) -> DAG:
    for name, value in settings.items():
        monkeypatch.setenv(f"SONGS_{name.upper()}", value)
    bag = DagBag(str(FILE))
    assert not bag.import_errors
    return bag.dags["song_plays"]


def test_without_a_source_no_run_starts_by_itself(monkeypatch):
    assert load(monkeypatch).schedule is None


def test_every_day_of_the_reporting_zone_has_a_run_from_when_it_is_switched_on(monkeypatch):
    dag = load(monkeypatch, spins_base="http://host/share")
    assert isinstance(dag.schedule, CronDataIntervalTimetable)
    assert dag.schedule == CronDataIntervalTimetable("0 0 * * *", timezone="America/New_York")
    assert not dag.catchup


def test_days_from_a_given_one_are_made_up_for(monkeypatch):
    dag = load(monkeypatch, spins_base="http://host/share", start_date="2019-02-08")
    assert dag.catchup
    assert dag.start_date == datetime(2019, 2, 8, tzinfo=NEW_YORK)


def test_days_that_wait_do_not_keep_others_waiting(monkeypatch):
    assert load(monkeypatch).max_active_runs >= 365


def test_what_spark_may_use_is_said_by_the_settings(monkeypatch):
    monkeypatch.setenv("SONGS_DRIVER_CORES", "3")
    task = load(monkeypatch, executor_memory="7g", shuffle_partitions="5", spark_conn_id="far").get_task("spark")
    assert task.conf == {"spark.driver.cores": "3", "spark.sql.shuffle.partitions": "5"}
    assert (task._executor_memory, task._driver_memory, task._conn_id) == ("7g", "1g", "far")


def test_waits_end_at_the_deadline(monkeypatch):
    dag = load(monkeypatch, deadline_hours="3")
    for name in ("spins", "listeners", "take_day"):
        assert dag.get_task(name).timeout == timedelta(hours=3).total_seconds()


@pytest.mark.parametrize("wrong", [{"day": "8.2.2019"}, {"minrows": -1}, {"engine": "hive"}, {"poll_seconds": 0.9}])
def test_a_wrong_parameter_is_refused(monkeypatch, wrong):
    params = load(monkeypatch).params
    with pytest.raises(ParamValidationError, match="Invalid input for param"):
        params.update(wrong)


def test_a_free_worker_takes_a_prediction_first_and_a_backlog_of_songs_last():
    tasks = {name: dag.tasks for name, dag in DagBag(str(FILE.parent)).dags.items()}
    assert {task.weight_rule for each in tasks.values() for task in each} == {"absolute"}
    weights = {name: {task.priority_weight for task in each} for name, each in tasks.items()}
    assert weights["song_plays"] == weights["article_recs__washington_city_paper"] == {1}
    assert min(weights["ratings_predict"]) > max(weights["ratings_train"]) > 1


def test_a_form_can_be_sent_as_it_opens():
    """Airflow's form takes an empty text for a missing one."""
    for dag_id, dag in DagBag(str(FILE.parent)).dags.items():
        for name, param in dag.params.items():
            required = dag.params.get_param(name).schema.get("type") == "string"
            assert param or not required, f"{dag_id}: {name} is required, and empty at first"
