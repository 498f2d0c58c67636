"""PlaysOperator: what Spark is given, and how its failures are told apart; tests/e2e has a real Spark."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator

from include.core.errors import BadDataError
from include.core.storage import write_json, write_whole
from include.songs import layout
from include.songs.engines import spark_job
from quartet.hooks.storage import StorageHook
from quartet.operators.plays import PlaysOperator
from tests.support.web import parquet

CONTEXT: Any = {
    "params": {"day": "2019-02-08", "minrows": 5},
    "dag_run": SimpleNamespace(run_id="a", data_interval_start=None),
}


@pytest.fixture
def operator(home) -> PlaysOperator:
    """Return the operator of a day whose listeners are downloaded."""
    write_whole(layout.listeners_file(StorageHook().path("songs")), parquet())
    return PlaysOperator(task_id="spark")


def test_the_job_is_submitted_with_the_arguments_of_the_day(operator, home, monkeypatch):
    submitted = []

    def submit(self: PlaysOperator, _: Any) -> None:
        submitted.append(spark_job.parse(self.application_args))

    monkeypatch.setattr(SparkSubmitOperator, "execute", submit)
    operator.execute(CONTEXT)
    assert Path(operator.application) == Path(spark_job.__file__)
    [found] = submitted
    assert (found.day.isoformat(), found.minrows) == ("2019-02-08", 5)
    assert found.dataset_out_path == f"file://{home}/data/songs/output/2019/02/08/dataset"


def test_bad_data_are_told_from_other_failures(operator, home, monkeypatch):
    def fail(self: PlaysOperator, _: Any) -> None:
        write_json(home / "data/songs/.incoming/job-2019-02-08/metrics.json", {"error": "number of rows 6 < 7"})
        raise RuntimeError("error code 1")

    monkeypatch.setattr(SparkSubmitOperator, "execute", fail)
    with pytest.raises(BadDataError, match=r"^number of rows 6 < 7$"):
        operator.execute(CONTEXT)
