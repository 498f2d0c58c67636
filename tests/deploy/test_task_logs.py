"""Task logs in CloudWatch and S3 with the settings of docs/logs.md, against a moto server."""

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from airflow import logging_config
from airflow.sdk import log as sdk_log
from airflow.sdk.execution_time import supervisor
from airflow.utils.log.file_task_handler import FileTaskHandler

from include.core.settings import ROOT

BLOCKS = [
    dict(re.findall(r"^(AIRFLOW__LOGGING__\w+)='(.+)'$", block, re.MULTILINE))
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "docs/logs.md").read_text(), re.DOTALL)
]
CLOUDWATCH, S3 = BLOCKS
FOLDER = "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER"
GROUP = CLOUDWATCH[FOLDER].rpartition(":")[2]
STREAM = "dag_id=ratings_train/run_id=manual__2026-01-02T03:04:05+00:00/task_id=train/attempt=1.log"


@dataclass
class Task:
    """An attempt of a task: its supervisor writes the log, the web UI reads it."""

    folder: Path
    state: str = "running"
    end_date: datetime | None = None
    logger: Any = field(init=False)

    def begin(self) -> None:
        """Open the log, as the supervisor does when a worker has started the task."""
        self.logger, self.file = supervisor._configure_logging(STREAM, SimpleNamespace())

    def end(self) -> None:
        """Close the log, as the supervisor does when the task has ended."""
        sdk_log.upload_to_remote(self.logger)
        self.file.close()
        self.state, self.end_date = "success", datetime.now(UTC)

    def shown(self) -> list[str]:
        """Read the log as Airflow's API returns it to the web UI."""
        ti = SimpleNamespace(
            state=self.state, end_date=self.end_date, try_number=1, hostname="", triggerer_job=None, executor=None
        )
        messages, _ = FileTaskHandler(str(self.folder)).read(ti, 1)
        return [message.event for message in messages]

    def lose_the_file(self) -> None:
        """Remove the local files, as if the task's machine were gone."""
        (self.folder / STREAM).unlink()


def forget() -> None:
    """Have Airflow read its logging settings again, which it does only once per process."""
    for module in (logging_config, sdk_log):
        module._ActiveLoggingConfig.logging_config_loaded = False
    sdk_log.logging_processors.cache_clear()


@pytest.fixture
def settings(s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Yield a function that applies logging settings to this process, with a moto server as AWS."""
    for name, value in {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    # its name is made from rows of Airflow's database
    monkeypatch.setattr(FileTaskHandler, "_render_filename", lambda *_, **__: STREAM)

    def apply(variables: dict[str, str]) -> Task:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        forget()
        return Task(tmp_path)

    yield apply
    forget()


@pytest.fixture
def group() -> str:
    return f"/quartet/{uuid.uuid4().hex}"


@pytest.fixture
def cloudwatch(settings, group: str) -> Task:
    """A task whose log goes to a CloudWatch group, configured as documented."""
    boto3.client("logs").create_log_group(logGroupName=group)
    return settings(CLOUDWATCH | {FOLDER: CLOUDWATCH[FOLDER].replace(GROUP, group)})


def test_the_log_is_in_cloudwatch_and_the_web_ui_shows_it(cloudwatch, group):
    cloudwatch.begin()
    cloudwatch.logger.info("trained on 100000 ratings", rmse=0.9386)
    cloudwatch.logger.warning("model 2 is worse")
    cloudwatch.end()
    name = STREAM.replace(":", "_")
    events = boto3.client("logs").get_log_events(logGroupName=group, logStreamName=name)["events"]
    first, second = (json.loads(event["message"]) for event in events)
    assert (first["event"], first["rmse"], first["level"]) == ("trained on 100000 ratings", 0.9386, "info")
    assert (second["event"], second["level"]) == ("model 2 is worse", "warning")
    cloudwatch.lose_the_file()
    shown = cloudwatch.shown()
    assert f"log_group: {group}" in str(shown)
    assert shown[-2:] == ["trained on 100000 ratings", "model 2 is worse"]


def test_cloudwatch_has_a_line_while_the_task_runs(cloudwatch, group):
    cloudwatch.begin()
    cloudwatch.logger.info("half of it is done")
    sdk_log.load_remote_log_handler().handler.flush()  # by itself it sends once a minute
    cloudwatch.lose_the_file()
    assert "half of it is done" in cloudwatch.shown()
    cloudwatch.end()


def test_the_log_is_in_s3_and_the_web_ui_shows_it(settings, s3_storage, monkeypatch):
    bucket = s3_storage.split("/")[2]
    task = settings(S3 | {FOLDER: S3[FOLDER].replace("bucket", bucket)})
    task.begin()
    task.logger.info("trained on 100000 ratings")
    task.end()
    (listed,) = boto3.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert listed["Key"] == f"logs/{STREAM}"
    task.lose_the_file()
    assert task.shown()[-1] == "trained on 100000 ratings"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Airflow leaves the file open it shows
def test_without_the_settings_the_log_is_a_file(settings):
    task = settings({})
    task.begin()
    task.logger.info("trained on 100000 ratings")
    task.end()
    assert sdk_log.load_remote_log_handler() is None
    assert task.shown()[-1] == "trained on 100000 ratings"
