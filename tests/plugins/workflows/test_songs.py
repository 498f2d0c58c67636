"""From the context of a task to the steps of its run, and what Airflow sees of their ends."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import BadDataError
from include.core.storage import write_json, write_whole
from include.songs import layout
from include.songs.layout import SUCCESS
from include.workflows import metrics as all_metrics
from quartet.hooks import metrics
from quartet.hooks.airflow_api import AirflowApiHook
from quartet.hooks.storage import StorageHook
from quartet.workflows import songs
from quartet.workflows.songs import songs_run

DAY = date(2019, 2, 8)


def context(begin: datetime | None = None, **params: Any) -> dict[str, Any]:
    """Return the context of a task."""
    run = SimpleNamespace(dag_id="song_plays", run_id="a", data_interval_start=begin)
    return {"params": {"day": "2019-02-08"} | params, "dag_run": run}


@pytest.fixture
def sent(monkeypatch) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return the metrics that are sent: (name, tags) → value."""
    found = {}

    def take(metric: str, value: float, tags: dict[str, str], in_callback: bool) -> None:
        assert set(tags) == set(all_metrics()[metric].tags), metric
        found[metric, tuple(tags.values())] = value

    monkeypatch.setattr(metrics, "_send", take)
    return found


def test_a_run_has_its_day_and_the_storage(home):
    with songs_run(context(datetime(2019, 2, 8, 5, tzinfo=UTC), day=None, minrows=3)) as run:
        assert (run.day, run.request.run_id, run.request.minrows) == (DAY, "a", 3)
        assert str(run.root) == f"file://{home}/data/songs"


def test_a_run_without_a_day_fails(home):
    with pytest.raises(BadDataError, match="no interval"), songs_run(context(day=None)):
        pass


def test_a_step_with_nothing_to_do_skips_its_task_with_a_note(home, monkeypatch):
    notes = []
    monkeypatch.setattr(AirflowApiHook, "note", lambda self, run, text: notes.append(text))
    root = StorageHook().path("songs")
    for folder in (layout.dataset_folder(root, DAY), layout.counts_folder(root, DAY)):
        write_whole(folder / SUCCESS, b"")
    with pytest.raises(AirflowSkipException, match="another run has completed the day"), songs_run(context()) as run:
        run.take_day()
    assert notes == ["another run has completed the day"]


def test_the_metrics_of_a_day(home, sent):
    found = {"rows_outside_day": 2, "without_listener": 3, "seconds": {"read": 1.5, "write": 2}}
    with songs_run(context()) as run:
        made = songs.report.Report("2019-02-08", rows=10, groups=4, engine="duckdb", metrics=found)
        run.dependencies.measure(made.values, {"engine": "duckdb"})
    assert sent == {
        ("songs.rows", ("duckdb",)): 10,
        ("songs.groups", ("duckdb",)): 4,
        ("songs.plays_outside_day", ("duckdb",)): 2,
        ("songs.plays_without_listener", ("duckdb",)): 3,
        ("songs.engine_seconds", ("duckdb",)): 3.5,
    }


def test_the_age_of_the_newest_delivered_day(home, sent, monkeypatch):
    monkeypatch.setenv("SONGS_REPORT_TIMEZONE", "UTC")
    songs.measure_state()
    assert sent == {}
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    write_json(layout.report_file(StorageHook().path("songs"), yesterday), {})
    songs.measure_state()
    assert 0 <= sent["songs.data_lag_hours", ()] < 25
