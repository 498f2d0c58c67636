"""A whole run on S3 gives what it gives on local files."""

from pathlib import Path

import pandas as pd
from airflow.sdk import ObjectStoragePath
from sqlalchemy import make_url

from quartet.hooks.storage import StorageHook
from tests.include.articles.runner import Runner


def test_events_tables_and_report_may_lie_in_s3(s3_storage, tmp_path, monkeypatch):
    local = Runner(tmp_path / "local", make_url(f"sqlite:///{tmp_path}/local.db"))
    plan = local.plan(save_figures=True)
    local.run(plan)

    bucket = ObjectStoragePath(f"{s3_storage}/bucket", conn_id=StorageHook.default_conn_name)
    for path in local.archive.rglob("*.gz"):
        target = bucket / str(path.relative_to(local.archive))
        target.fs.pipe_file(target.path, path.read_bytes())
    remote = Runner(
        tmp_path / "remote",
        make_url(f"sqlite:///{tmp_path}/remote.db"),
        storage=StorageHook().path("articles"),
        open_url=lambda url: ObjectStoragePath(url, conn_id=StorageHook.default_conn_name),
    )
    plan = remote.plan(ga_data_bucket=f"{s3_storage}/bucket", save_figures=True)
    found = remote.run(plan)
    assert found["fetch_data"]["new_files"] == found["fetch_data"]["files"] > 50
    for kind in ("popularity", "article"):
        pd.testing.assert_frame_equal(remote.served(kind), local.served(kind))
    again = remote.run(remote.plan("again", ga_data_bucket=f"{s3_storage}/bucket"))
    assert again["fetch_data"]["new_files"] == 0
    monkeypatch.setenv("ARTICLE_RECS_ARTIFACTS_URL", f"{s3_storage}/artefacts")
    remote.run(plan, ["report"])
    report, figures = remote.recorded
    assert report["steps"]["save_predictions"]["status"] == "current"
    assert len(figures) == 3
    artefacts = ObjectStoragePath(f"{s3_storage}/artefacts", conn_id=StorageHook.default_conn_name)
    assert (artefacts / "demo-gazette" / remote.files(plan).folder.name / "run.json").exists()
    assert not any(Path(tmp_path / "remote").rglob("*.parquet"))
