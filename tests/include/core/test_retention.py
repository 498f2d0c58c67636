"""Removal of stored objects: only those listed, only below the folder, never through a link."""

import time
from pathlib import Path

import pytest

from deploy.settings import HOUSEKEEPING, SECTIONS
from include.core.errors import SettingsError
from include.core.retention import PlatformRetention, Removed, Sweeper, clean_logs, cutoff
from include.core.storage import walk_objects

LATER = time.time() + 1_000 * 86_400


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"12345")


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_listed_objects_are_removed_and_counted(tmp_path):
    fill(tmp_path, "kind/a", "kind/b", "other")
    sweeper, listed = Sweeper(tmp_path), walk_objects(tmp_path / "kind")
    assert sweeper.sweep(tmp_path / "kind", {"a": listed["a"]}, "files") == Removed(1, 5)
    assert sweeper.sweep(tmp_path / "kind", {"a": listed["a"]}, "files") == Removed()
    sweeper.sweep(tmp_path / "kind", {"b": listed["b"]}, "files")
    assert (sweeper.removed, names(tmp_path)) == (Removed(2, 10), ["other"])


def test_a_dry_run_counts_the_same_and_removes_nothing(tmp_path):
    fill(tmp_path, "kind/a", "kind/b")
    assert Sweeper(tmp_path, dry_run=True).sweep(tmp_path / "kind", walk_objects(tmp_path / "kind"), "x") == Removed(
        2, 10
    )
    assert names(tmp_path) == ["kind/a", "kind/b"]


def test_objects_replaced_since_the_listing_are_kept(tmp_path):
    fill(tmp_path, "a", "b")
    listed = walk_objects(tmp_path)
    aside = tmp_path / "aside"
    aside.write_bytes(b"54321")  # as long as before
    aside.replace(tmp_path / "a")
    assert Sweeper(tmp_path).sweep(tmp_path, listed, "files").objects == 1
    assert names(tmp_path) == ["a"]


def test_empty_folders_are_removed_up_to_the_swept_one(tmp_path):
    fill(tmp_path, "kind/1/2/a", "kind/1/b", "kind/3/c")
    listed = walk_objects(tmp_path / "kind")
    Sweeper(tmp_path).sweep(tmp_path / "kind", {name: listed[name] for name in ("1/2/a", "3/c")}, "files")
    assert sorted(path.name for path in (tmp_path / "kind").iterdir()) == ["1"]
    assert names(tmp_path) == ["kind/1/b"]
    Sweeper(tmp_path).sweep(tmp_path / "kind", walk_objects(tmp_path / "kind"), "files")
    assert list((tmp_path / "kind").iterdir()) == []


def test_links_and_anything_behind_them_are_kept(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    fill(outside, "a", "deep/b")
    fill(root, "kind/c")
    (root / "kind" / "link").symlink_to(outside / "a")
    (root / "kind" / "dangling").symlink_to(outside / "nothing")
    (root / "moved").symlink_to(outside / "deep")
    (root / "within").symlink_to(root / "kind")
    sweeper = Sweeper(root)
    for folder in ("kind", "moved", "within"):
        sweeper.sweep(root / folder, walk_objects(root / folder), "files")
    assert sweeper.removed == Removed(1, 5)
    assert names(outside) == ["a", "deep/b"]
    assert sorted(path.name for path in (root / "kind").iterdir()) == ["dangling", "link"]


def test_a_root_that_is_a_link_itself_is_swept(tmp_path):
    fill(tmp_path / "disk", "kind/a")
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    root = tmp_path / "root"
    assert Sweeper(root).sweep(root / "kind", walk_objects(root / "kind"), "files") == Removed(1, 5)


def test_nothing_outside_the_root_can_be_removed(tmp_path):
    fill(tmp_path, "root/a", "a")
    with pytest.raises(ValueError, match="root"):
        Sweeper(tmp_path / "root").sweep(tmp_path, walk_objects(tmp_path), "files")
    assert names(tmp_path) == ["a", "root/a"]


def test_ages(monkeypatch):
    assert cutoff(1_000_000, 2) == 1_000_000 - 172_800
    assert cutoff(1_000_000, 0) is None
    monkeypatch.setenv("QUARTET_KEEP_LOGS_DAYS", "7.5")
    monkeypatch.setenv("QUARTET_KEEP_HISTORY_DAYS", "0")
    settings = PlatformRetention.load()
    assert (settings.logs_days, settings.history_days) == (7.5, 0)


@pytest.mark.parametrize(("name", "value"), [("LOGS_DAYS", "-1"), ("HISTORY_DAYS", "29"), ("MODELS", "-1")])
def test_a_retention_that_would_remove_too_much_is_rejected(monkeypatch, name, value):
    monkeypatch.setenv(f"QUARTET_KEEP_{name}", value)
    with pytest.raises(SettingsError, match=f"QUARTET_KEEP_{name}='?{value}"):
        [settings.load() for settings in SECTIONS[HOUSEKEEPING]]


def test_only_old_logs_are_removed(tmp_path):
    attempt = "dag_id=d/run_id=r/task_id=t/attempt=1.log"
    fill(tmp_path, attempt, f"{attempt}.trigger.7.log", "2026-01-01/dags/a.py.log", "database.db", "notes.txt", "log")
    (tmp_path / "latest").symlink_to(tmp_path / "2026-01-01")
    (tmp_path / "current.log").symlink_to(tmp_path / attempt)
    assert clean_logs(tmp_path, Sweeper(tmp_path), time.time() - 86_400) == Removed()
    assert clean_logs(tmp_path, Sweeper(tmp_path), LATER) == Removed(3, 15)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["current.log", "database.db", "latest", "log", "notes.txt"]
