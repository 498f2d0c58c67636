"""PlaysOperator: what Spark is asked for, and how its failures are told apart; tests/e2e has a real Spark."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator

from include.core.errors import BadDataError
from include.core.storage import write_json, write_whole
from include.songs import layout
from include.songs.engines import spark_job
from quartet.operators.plays import PlaysOperator
from quartet.workflows.songs import SongsHook
from tests.include.songs.web import parquet

CONTEXT: Any = {
    "params": {"day": "2019-02-08", "minrows": 5},
    "dag_run": SimpleNamespace(run_id="a", data_interval_start=None),
}


@pytest.fixture
def operator(home, monkeypatch) -> PlaysOperator:
    """Give the operator of a day whose listeners are there."""
    monkeypatch.setenv("SONGS_REPORT_TIMEZONE", "UTC")
    write_whole(layout.listeners_file(SongsHook().root), parquet())
    return PlaysOperator(task_id="spark")


def test_the_job_takes_what_it_is_given(operator, home, monkeypatch):
    asked = []
    monkeypatch.setattr(
        SparkSubmitOperator, "execute", lambda self, _: asked.append(spark_job.parse(self.application_args))
    )
    operator.execute(CONTEXT)
    root = f"file://{home}/data/songs"
    [found] = asked
    assert Path(operator.application) == Path(spark_job.__file__)
    assert (found.day.isoformat(), found.minrows, found.report_timezone) == ("2019-02-08", 5, "UTC")
    assert found.spins_path == f"{root}/spins/2019/02/08/spins.snappy.parquet"
    assert found.listeners_path.startswith(f"{root}/.incoming/job-2019-02-08/listeners-")
    assert found.dataset_out_path == f"{root}/output/2019/02/08/dataset"
    assert found.analysis_out_path == f"{root}/output/2019/02/08/counts_by_zip_sub"
    assert found.metrics_path == f"{root}/.incoming/job-2019-02-08/metrics.json"


@pytest.mark.parametrize(
    ("told", "error", "message"),
    [
        ({"error": "number of rows 6 < 7"}, BadDataError, "^number of rows 6 < 7$"),  # fails at once
        (None, RuntimeError, "error code 1"),  # is tried again
    ],
)
def test_bad_data_are_told_from_other_failures(operator, home, monkeypatch, told, error, message):
    def fail(self: PlaysOperator, _: Any) -> None:
        if told:
            write_json(home / "data/songs/.incoming/job-2019-02-08/metrics.json", told)
        raise RuntimeError("error code 1")

    monkeypatch.setattr(SparkSubmitOperator, "execute", fail)
    with pytest.raises(error, match=message):
        operator.execute(CONTEXT)
