"""Housekeeping with all data in S3: the same goes and the same stays as on local files."""

import time
from datetime import UTC, date, datetime, timedelta

from include.core import lease
from include.core.lease import Lease
from include.core.retention import Removed, Sweeper
from include.core.storage import find_object, walk_objects, write_whole
from include.songs import layout, retention
from quartet.hooks.registry import RegistryHook
from quartet.hooks.storage import StorageHook
from quartet.workflows.housekeeping import Housekeeping
from tests.plugins.workflows.test_housekeeping import RULES

NOW = datetime.now(UTC)


def test_what_is_listed_goes_unless_it_was_replaced_since(s3_storage):
    root = StorageHook().path()
    for name in ("kind/1/a", "kind/1/b", "kind/c", "other"):
        write_whole(root / name, b"12345")
    listed = walk_objects(root / "kind")
    write_whole(root / "kind/c", b"54321")
    assert Sweeper(root, dry_run=True).sweep(root / "kind", listed, "files") == Removed(2, 10)
    assert Sweeper(root).sweep(root / "kind", listed, "files") == Removed(2, 10)
    assert Sweeper(root).sweep(root / "kind", listed, "files") == Removed()
    assert list(walk_objects(root)) == ["kind/c", "other"]
    assert Sweeper(root).sweep_away(root / "kind", "files") == Removed(1, 5)


def test_leases_that_have_run_out_go_and_those_taken_again_stay(s3_storage, monkeypatch):
    root = StorageHook().path("songs")
    for day, seconds in ((7, 3_600), (8, 60), (9, 60)):
        Lease(layout.lease_file(root, date(2019, 2, day)), "a", seconds, lambda: NOW).acquire()
    before = NOW + timedelta(seconds=61)
    assert retention.clean_leases(root, Sweeper(root), NOW) == 0
    assert retention.clean_leases(root, Sweeper(root, dry_run=True), before) == 2
    assert lease.remove_expired(layout.lease_file(root, date(2019, 2, 9)), before)
    assert not lease.remove_expired(layout.lease_file(root, date(2019, 2, 9)), before)
    assert retention.clean_leases(root, Sweeper(root), before) == 1
    assert list(walk_objects(root / "leases")) == ["2019-02-07.json"]


def test_a_lease_that_is_taken_between_look_and_removal_stays(s3_storage, monkeypatch):
    path = layout.lease_file(StorageHook().path("songs"), date(2019, 2, 8))
    Lease(path, "a", 60, lambda: NOW).acquire()
    later = NOW + timedelta(hours=1)
    remove = lease.compare_and_delete

    def taken_meanwhile(path, tag):
        Lease(path, "b", 60, lambda: later).acquire()
        return remove(path, tag)

    monkeypatch.setattr(lease, "compare_and_delete", taken_meanwhile)
    assert not lease.remove_expired(path, later)
    assert find_object(path)


def test_runs_deleted_in_mlflow_go_with_their_files(s3_storage, registry_home, monkeypatch):
    monkeypatch.setenv("QUARTET_KEEP_DELETED_RUNS_DAYS", "0.000001")
    record = {"params": {}, "tags": {}, "files": {"a.csv": b"12345"}}
    first, second = (RegistryHook().record("selection", "run-1", **record) for _ in range(2))  # deletes the first
    time.sleep(0.2)
    assert Housekeeping(dry_run=True).purge_runs() == {"runs": 1, "objects": 1, "bytes": 5}
    assert Housekeeping().purge_runs() == {"runs": 1, "objects": 1, "bytes": 5}
    assert Housekeeping().purge_runs() == {"runs": 0, "objects": 0, "bytes": 0}
    assert first not in " ".join(walk_objects(StorageHook().path()))
    assert list(walk_objects(StorageHook().path("mlflow"))) == [f"selection/{second}/artifacts/a.csv"]


def test_the_workflows_are_cleaned(s3_storage, home, monkeypatch):
    for name in ("EXTRACTS", "ARTICLE_RUNS", "AUTHORS", "TASKS", "INCOMING", "REPORTS", "PREDICTIONS"):
        monkeypatch.setenv(f"QUARTET_KEEP_{name}_DAYS", "0.000001")
    root = StorageHook().path()
    gone = (
        f"articles/a/extracts/2020-01-01/{'0' * 32}-1-2-3-4.parquet",
        f"audience/tasks/{'1' * 32}/rules.csv",
        "songs/.incoming/job-2019-02-08/metrics.json",
    )
    kept = ("articles/a/extracts/2020-01-01/mine.txt", "audience/tasks/mine", "ratings/streaming/a.txt", "elsewhere")
    for name in (*gone, *kept):
        write_whole(root / name, b"12345")
    time.sleep(1.2)  # S3 tells whole seconds
    run = Housekeeping()
    found = [run.clean(*RULES[name]) for name in ("clean_articles", "clean_audience", "clean_songs", "clean_ratings")]
    assert [each["objects"] for each in found] == [1, 1, 1, 0]
    assert list(walk_objects(root)) == sorted(kept)
