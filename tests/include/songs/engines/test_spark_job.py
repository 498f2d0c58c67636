"""The command line of the spark_job."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest
from pyspark.sql import SparkSession

from include.songs.engines import spark_job
from include.songs.layout import PART, SUCCESS
from include.songs.schemas import DATASET, LISTENERS, SPINS
from tests.support.songs import example
from tests.support.songs.jobs import SUBMIT_OPTIONS, lines_of, table, write

GOOD = {
    "day": "2019-02-08",
    "minrows": "5",
    "listeners_path": "listeners.parquet",
    "spins_path": "spins.parquet",
    "dataset_out_path": "output/dataset",
    "analysis_out_path": "output/counts",
}


def arguments(folder: Path, **changed: str | None) -> list[str]:
    """Return valid options, some of them changed or left out."""
    values = {name: str(folder / value) if "path" in name else value for name, value in GOOD.items()} | changed
    return [text for name, value in values.items() if value is not None for text in (f"--{name}", value)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the sources of the worked example, and outputs of an earlier run."""
    write(table(SPINS, example.PLAYS), tmp_path / "spins.parquet")
    write(table(LISTENERS, example.LISTENERS), tmp_path / "listeners.parquet")
    for name in ("dataset", "counts"):
        (tmp_path / "output" / name).mkdir(parents=True)
        (tmp_path / "output" / name / "part-00000-before.csv.gz").write_bytes(b"before")
    return tmp_path


def test_the_options_have_these_defaults(tmp_path):
    found = spark_job.parse(arguments(tmp_path, minrows=None))
    assert found.minrows == 100
    assert found.report_timezone == "America/New_York"
    assert found.metrics_path is None
    assert found.spins_path == f"{tmp_path}/spins.parquet"


WRONG = {
    "missing day": ({"day": None}, "--day"),
    **{f"missing {name}": ({name: None}, name) for name in GOOD if "path" in name},
    "unknown": ({"colour": "red"}, "unrecognized arguments: --colour red"),
    "shortened": ({"minrows": None, "minr": "5"}, "unrecognized arguments: --minr 5"),
    "no number": ({"minrows": "many"}, "a whole number, 0 or more, was expected, found 'many'"),
    "fraction": ({"minrows": "1.5"}, "found '1.5'"),
    "negative": ({"minrows": "-1"}, "found '-1'"),
    "short day": ({"day": "2019-2-8"}, "a day such as 2019-02-08 was expected, found '2019-2-8'"),
    "no such day": ({"day": "2019-02-30"}, "a day such as 2019-02-08 was expected"),
    "zone": ({"report_timezone": "Mars/Base"}, "a time zone such as America/New_York was expected, found 'Mars/Base'"),
    "empty path": ({"spins_path": ""}, "a path was expected, found ''"),
    "root": ({"dataset_out_path": "/"}, "a path was expected, found '/'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_option_ends_the_job_before_it_begins(folder, capsys, name):
    changed, message = WRONG[name]
    with pytest.raises(SystemExit) as raised:
        spark_job.main(arguments(folder, **changed))
    assert raised.value.code == spark_job.WRONG_OPTION
    assert message in capsys.readouterr().err
    assert len(list(folder.glob("output/*/part-00000-before.csv.gz"))) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"dataset_out_path": "file:///x/out", "analysis_out_path": "/x/out"},
        {"dataset_out_path": "/x/out/", "analysis_out_path": "/x/out/counts"},
        {"dataset_out_path": "/x/out/../out/dataset", "analysis_out_path": "/x/out"},
        {"analysis_out_path": "/x", "spins_path": "file:/x/spins.parquet"},
        {"analysis_out_path": "s3a://b/x", "metrics_path": "s3a://b/x/metrics.json"},
    ],
)
def test_no_path_may_lie_in_an_output_that_is_removed(tmp_path, capsys, changed):
    with pytest.raises(SystemExit):
        spark_job.parse(arguments(tmp_path, **changed))
    assert "is removed first: it must not contain another path" in capsys.readouterr().err


def test_outputs_may_lie_side_by_side(tmp_path):
    spark_job.parse(arguments(tmp_path, dataset_out_path="s3a://b/x/dataset", analysis_out_path="s3a://b/x/dataset2"))


@pytest.fixture
def shared(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> SparkSession:
    """Return the session of all tests, which a job does not stop."""
    monkeypatch.setattr(SparkSession, "stop", lambda session: None)
    return spark


def test_a_job_that_succeeds(shared, folder, caplog):
    caplog.set_level("INFO")
    metrics = folder / "new" / "metrics.json"
    assert spark_job.main(arguments(folder, metrics_path=f"file://{metrics}")) == 0
    found = json.loads(metrics.read_text())
    assert {name: found[name] for name in example.METRICS} == example.METRICS
    assert sorted(path.name for path in metrics.parent.iterdir()) == ["metrics.json"]
    assert f"song plays: {json.dumps(found)}" in caplog.text
    assert sorted(str(path.relative_to(folder / "output")) for path in folder.glob("output/*/*")) == [
        f"{name}/{file}" for name in ("counts", "dataset") for file in (SUCCESS, PART)
    ]


def test_a_job_that_fails_validation(shared, folder, caplog):
    code = spark_job.main(arguments(folder, minrows="10000000", metrics_path=str(folder / "metrics.json")))
    assert code == spark_job.BAD_DATA
    message = "job failed validation: number of rows 6 < 10000000"
    assert message in caplog.text
    assert json.loads((folder / "metrics.json").read_text()) == {"error": message}
    assert not list((folder / "output").iterdir())


def test_plays_of_another_day_are_told(shared, folder, caplog):
    assert spark_job.main(arguments(folder, day="2019-02-09")) == 0
    assert "10 of 10 spins are not from 2019-02-09 in America/New_York" in caplog.text


@pytest.mark.parametrize(
    ("minrows", "code", "message"),
    [("6", 0, '"deduplicated": 6'), ("7", spark_job.BAD_DATA, "job failed validation: number of rows 6 < 7")],
)
def test_it_is_submitted_as_a_file_by_itself(folder, minrows, code, message):
    """From another folder, with nothing on the path but what Spark puts there."""
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYSPARK_DRIVER_PYTHON": sys.executable, "TZ": "Asia/Tokyo"}
    line = [str(submit), *SUBMIT_OPTIONS, spark_job.__file__, *arguments(folder, minrows=minrows)]
    found = subprocess.run(line, env=environment, cwd="/", capture_output=True, text=True)
    assert found.returncode == code, found.stderr
    assert message in found.stdout  # Spark sends both there
    if code:
        assert not list((folder / "output").iterdir())
    else:
        lines = lines_of(folder / "output" / "dataset", DATASET)
        assert len(lines) == 6
