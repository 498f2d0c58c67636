"""Metrics of the ratings: what waits, how old the data are, how good the model is."""

import os

import pytest

from include.ratings import report
from tests.support.ratings import RatingsPlatform


def drop(platform: RatingsPlatform, name: str, changed: float, repo: str = "streaming") -> None:
    """Write a file with this modification time; on Linux, the time of its creation cannot be set."""
    rows = "1 1\n" if repo == "streaming" else "1 1 5 880606923\n"
    os.utime(platform.drop(name, rows, repo), (changed, changed))


@pytest.fixture
def now(tmp_path) -> float:
    """Return an instant ten minutes after everything that a test writes."""
    return tmp_path.stat().st_ctime + 600


def test_at_the_beginning_nothing_is_known(store, now):
    assert report.state_metrics(store, now) == {
        "queue_files": 0, "queue_age_seconds": 0, "data_lag_hours": None, "table_rows": None,
        "champion_holdout_rmse": None,
    }  # fmt: skip


def test_files_wait_until_they_are_answered(platform, now):
    drop(platform, "a.txt", now)
    drop(platform, "b.txt", now)
    before = report.queue_metrics(platform.store.path, now)  # nobody predicts yet
    assert before["queue_files"] == 2
    assert 500 < before["queue_age_seconds"] <= 600
    platform.run()
    assert report.queue_metrics(platform.store.path, now)["queue_files"] == 2
    platform.predict(lambda: now)
    assert report.queue_metrics(platform.store.path, now) == {"queue_files": 0, "queue_age_seconds": 0}


def test_an_answer_of_an_earlier_model_is_an_answer(platform, now):
    platform.run()
    drop(platform, "a.txt", now)
    platform.predict(lambda: now)
    platform.drop("t.txt", "1 1 5 880606923\n1 2 4 880606924\n")
    platform.run()
    assert report.queue_metrics(platform.store.path, now)["queue_files"] == 0


def test_data_and_model_are_measured(platform, now):
    platform.drop("t.txt", "1 1 5 880606923\n1 2 4 880606924\n")
    platform.run()
    found = report.state_metrics(platform.store, now)
    assert found["table_rows"] == 2
    assert found["champion_holdout_rmse"] == platform.registry.versions[0].metrics["holdout_rmse"]
    assert 0.1 < found["data_lag_hours"] <= 600 / 3600
