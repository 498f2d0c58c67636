"""Leftovers of song plays: downloads, leases, records of listeners."""

import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from include.core.lease import Lease
from include.core.retention import Removed, Sweeper
from include.songs import layout, retention

NOW = datetime.now(UTC)
LATER, EARLIER = time.time() + 86_400, time.time() - 86_400
HEX = "0123456789abcdef" * 2
LEFT = (
    f"spins-2019-02-08.{HEX}",
    f"listeners-2019-02-08.{HEX}",
    f"job-2019-02-08/listeners-{HEX}.snappy.parquet",
    "job-2019-02-08/metrics.json",
    f"job-2019-02-08/.listeners-{HEX}.snappy.parquet.{HEX}",
)


def fill(folder: Path, *names: str, content: str = "12345") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def lease(root: Path, day: str, seconds: float = 60, clock: datetime = NOW) -> Lease:
    return Lease(layout.lease_file(root, date.fromisoformat(day)), "a run", seconds, lambda: clock)


def test_what_downloads_and_jobs_have_left_goes(tmp_path):
    fill(tmp_path / ".incoming", *LEFT, "spins-2019-02-08", "mine.parquet", "job-2019-02-08/mine/metrics.json")
    assert retention.clean_incoming(tmp_path, Sweeper(tmp_path), NOW, EARLIER) == Removed()
    assert retention.clean_incoming(tmp_path, Sweeper(tmp_path, dry_run=True), NOW, LATER) == Removed(5, 25)
    assert retention.clean_incoming(tmp_path, Sweeper(tmp_path), NOW, LATER) == Removed(5, 25)
    kept = ["job-2019-02-08/mine/metrics.json", "mine.parquet", "spins-2019-02-08"]
    assert names(tmp_path / ".incoming") == kept


def test_files_of_a_day_that_a_run_has_stay(tmp_path):
    fill(tmp_path / ".incoming", *LEFT, f"spins-2019-02-09.{HEX}")
    lease(tmp_path, "2019-02-08").acquire()
    assert retention.clean_incoming(tmp_path, Sweeper(tmp_path), NOW, LATER) == Removed(1, 5)
    assert names(tmp_path / ".incoming") == sorted(LEFT)
    assert retention.clean_incoming(tmp_path, Sweeper(tmp_path), NOW + timedelta(seconds=61), LATER).objects == 5


def test_leases_that_have_run_out_long_ago_go(tmp_path):
    lease(tmp_path, "2019-02-07", 3_600).acquire()
    lease(tmp_path, "2019-02-08", 60).acquire()
    lease(tmp_path, "2019-02-09", 60).acquire()
    lease(tmp_path, "2019-02-09", 60).release()
    fill(tmp_path / "leases", "notes.json")
    (tmp_path / "leases/2019-02-10.json").symlink_to(tmp_path / "leases/2019-02-08.json")
    before = NOW + timedelta(seconds=61)
    assert retention.clean_leases(tmp_path, Sweeper(tmp_path), NOW) == 0
    assert retention.clean_leases(tmp_path, Sweeper(tmp_path, dry_run=True), before) == 2
    assert retention.clean_leases(tmp_path, Sweeper(tmp_path), before) == 2
    assert sorted(path.name for path in (tmp_path / "leases").iterdir()) == [
        *(".lock", "2019-02-07.json", "2019-02-10.json", "notes.json")
    ]
    lease(tmp_path, "2019-02-08").acquire()


def test_records_of_listeners_that_no_day_was_made_from_go(tmp_path):
    sha = [f"{number:064x}" for number in range(4)]
    for each in sha:
        fill(tmp_path / "versions/listeners", f"{each}.json")
        time.sleep(0.01)  # the store tells their order
    fill(tmp_path / "versions/listeners", "notes.json")
    days = tmp_path / "versions/days"
    fill(days, "2019-02-08.json", content=json.dumps({"listeners": {"sha256": sha[1]}}))
    fill(days, "2019-02-09.json", content=json.dumps({"listeners": None}))
    assert retention.clean_listeners(tmp_path, Sweeper(tmp_path), EARLIER) == Removed()
    assert retention.clean_listeners(tmp_path, Sweeper(tmp_path), LATER) == Removed(2, 10)
    assert names(tmp_path / "versions/listeners") == [f"{sha[1]}.json", f"{sha[3]}.json", "notes.json"]


def test_an_empty_platform_is_no_error(tmp_path):
    assert retention.clean_listeners(tmp_path, Sweeper(tmp_path), LATER) == Removed()
    assert retention.clean_incoming(tmp_path, Sweeper(tmp_path), NOW, LATER) == Removed()
    assert retention.clean_leases(tmp_path, Sweeper(tmp_path), NOW) == 0
