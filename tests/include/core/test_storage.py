"""Local objects: written whole, listed quickly, settled or not. S3 is in tests/plugins/hooks/test_storage.py."""

import errno
import hashlib
import os
import stat
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.errors import DamagedObjectError
from include.core.storage import (
    StoredObject,
    find_object,
    has_hard_links,
    is_settled,
    list_objects,
    local,
    read_bytes,
    read_json,
    walk_objects,
    write_json,
    write_whole,
)


def test_a_write_makes_its_folders_and_leaves_nothing_else(tmp_path):
    write_whole(tmp_path / "a" / "b.txt", b"one")
    write_whole(tmp_path / "a" / "b.txt", b"two")
    assert [(each.name, each.read_bytes()) for each in (tmp_path / "a").iterdir()] == [("b.txt", b"two")]


def test_an_exclusive_write_does_not_replace(tmp_path):
    write_whole(tmp_path / "a", b"one", exclusive=True)
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "a", b"two", exclusive=True)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"one"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    write_whole(tmp_path / "a", b"one")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "a", b"two")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"one"]


def test_a_name_as_long_as_the_file_system_allows(tmp_path):
    write_whole(tmp_path / ("n" * 255), b"x")
    assert list(list_objects(tmp_path)) == ["n" * 255]


def test_one_of_many_exclusive_writers_wins(tmp_path):
    won = []

    def write(content: bytes) -> None:
        try:
            write_whole(tmp_path / "a", content, exclusive=True)
        except FileExistsError:
            return
        won.append(content)

    threads = [threading.Thread(target=write, args=(bytes([i]),)) for i in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert won == [(tmp_path / "a").read_bytes()]


REFUSALS = [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV]
"""Of `os.link` on exFAT, SMB, shares of virtual machines."""


@pytest.fixture(params=REFUSALS, ids=errno.errorcode.get)
def no_links(request, monkeypatch):
    """Have the file system offer no hard links."""

    def link(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(local.os, "link", link)


@pytest.mark.usefixtures("no_links")
def test_an_exclusive_write_without_hard_links(tmp_path):
    test_an_exclusive_write_replaces_nothing_and_leaves_nothing_else(tmp_path)
    test_one_of_many_exclusive_writers_wins(tmp_path / "many")
    assert not has_hard_links(tmp_path)
    assert not has_hard_links(tmp_path / "missing")


def test_an_exclusive_write_replaces_nothing_and_leaves_nothing_else(tmp_path):
    write_whole(tmp_path / "b", b"one", exclusive=True)
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "b", b"two", exclusive=True)
    assert {name: read_bytes(tmp_path / name) for name in list_objects(tmp_path)} == {"b": b"one"}
    assert [each.name for each in tmp_path.iterdir() if each.name not in ("b", ".lock")] == []


def test_hard_links_are_found_without_a_trace(tmp_path):
    assert has_hard_links(tmp_path)
    assert has_hard_links(tmp_path / "missing" / "folder")
    assert list(tmp_path.iterdir()) == []


def test_another_error_of_a_link_is_raised(tmp_path, monkeypatch):
    def link(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(local.os, "link", link)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "a", b"one", exclusive=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EPERM, errno.EISDIR])
def test_a_file_system_that_syncs_no_folders(tmp_path, monkeypatch, number):
    sync = os.fsync

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(local.os, "fsync", files_only)
    write_whole(tmp_path / "a", b"one")
    assert read_bytes(tmp_path / "a") == b"one"


def test_a_folder_that_cannot_be_synced_now_is_an_error(tmp_path, monkeypatch):
    sync = os.fsync

    def fail(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr(local.os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        write_whole(tmp_path / "a", b"one")


def test_a_listing_leaves_out_folders_and_hidden_names(tmp_path):
    for name in ("b", "a", ".hidden", "_aside"):
        (tmp_path / name).write_bytes(b"12")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    found = list_objects(tmp_path)
    assert list(found) == ["a", "b"]
    assert found["a"].size == 2


def test_a_walk_finds_all_objects_at_any_depth(tmp_path):
    for name in ("b", "a", ".hidden", "_aside", "a-/c", "deep/er/b", "deep/er/.c"):
        write_whole(tmp_path / name, b"12")
    (tmp_path / "empty" / "folder").mkdir(parents=True)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "deep" / "round").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    found = walk_objects(tmp_path)
    assert list(found) == [".hidden", "_aside", "a", "a-/c", "b", "deep/er/.c", "deep/er/b", "link"]
    assert found["deep/er/b"].name == "deep/er/b"
    assert found["a"] == find_object(tmp_path / "a")
    assert found["deep/er/b"].fingerprint == list_objects(tmp_path / "deep" / "er")["b"].fingerprint


@pytest.mark.parametrize("listing", [list_objects, walk_objects])
def test_no_folder_is_an_empty_listing(tmp_path, listing):
    assert listing(tmp_path / "none") == {}


@pytest.mark.parametrize("listing", [list_objects, walk_objects])
def test_a_folder_that_is_a_file_is_an_error(tmp_path, listing):
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError):
        listing(tmp_path / "a")


def test_ten_thousand_files_are_listed_within_a_fifth_of_a_second(tmp_path):
    for number in range(10_000):
        os.mknod(tmp_path / f"train-{number:05}.txt")
    seconds = []
    for _ in range(3):
        start = time.thread_time()  # not the wall's: other tests run at the same time
        assert len(list_objects(tmp_path)) == 10_000
        seconds.append(time.thread_time() - start)
    assert min(seconds) <= 0.2


def test_a_replaced_file_has_another_fingerprint_even_with_its_old_time(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    os.utime(tmp_path / "a", (1, 1))
    before = list_objects(tmp_path)["a"].fingerprint
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a").write_bytes(b"2")
    os.utime(tmp_path / "a", (1, 1))
    assert list_objects(tmp_path)["a"].fingerprint != before


def test_a_single_object_is_the_same_as_in_a_listing(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    assert find_object(tmp_path / "a") == list_objects(tmp_path)["a"]
    assert find_object(tmp_path / "b") is None
    assert find_object(tmp_path / "a" / "below") is None
    assert find_object(tmp_path) is None


def test_a_damaged_object_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    assert read_bytes(tmp_path / "a", hashlib.sha256(b"1").hexdigest()) == b"1"
    with pytest.raises(DamagedObjectError, match=r"/a is damaged: sha256 is 6b86b.*, 0000 was written"):
        read_bytes(tmp_path / "a", "0000")


def test_json(tmp_path):
    assert read_json(tmp_path / "a") is None
    write_json(tmp_path / "a", {"title": "Amélie"})
    assert read_json(tmp_path / "a") == {"title": "Amélie"}
    (tmp_path / "a").write_bytes(b'{"title": ')
    with pytest.raises(DamagedObjectError, match="/a is not JSON"):
        read_json(tmp_path / "a")


def seen(path: Path, ago: float, now: float = 1_000.0) -> StoredObject:
    return StoredObject(path.name, path.stat().st_size, now - ago)


@pytest.mark.parametrize(
    ("content", "ago", "settled"),
    [
        (b"1\n", 0.0, True),  # a newline at its end: complete at once
        (b"1\n2", 0.0, False),
        (b"1\n2", 1.9, False),
        (b"1\n2", 2.0, True),
        (b"", 1.0, False),  # made, nothing written yet
        (b"", 2.0, True),
        (b"1\n2", -3_600.0, False),  # a clock that is ahead: rather late than half
    ],
)
def test_a_file_is_complete_with_a_newline_or_after_a_rest(tmp_path, content, ago, settled):
    (tmp_path / "a").write_bytes(content)
    assert is_settled(tmp_path / "a", seen(tmp_path / "a", ago), 1_000.0, 2.0) is settled


def test_without_a_rest_every_file_is_complete(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    assert is_settled(tmp_path / "a", seen(tmp_path / "a", -5.0), 1_000.0, 0.0)


def test_a_file_that_grew_since_it_was_seen_is_not_complete(tmp_path):
    (tmp_path / "a").write_bytes(b"1\n")
    before = seen(tmp_path / "a", 0.0)
    (tmp_path / "a").write_bytes(b"1\n2\n")
    assert not is_settled(tmp_path / "a", before, 1_000.0, 2.0)


def test_a_file_that_is_gone_is_not_complete(tmp_path):
    assert not is_settled(tmp_path / "a", StoredObject("a", 2, 1_000.0), 1_000.0, 2.0)


@given(content=st.binary(max_size=20), cut=st.integers(0, 20), ago=st.floats(0, 10), seconds=st.floats(0, 10))
def test_half_a_copy_is_complete_only_at_a_line_end_or_after_the_rest(tmp_path_factory, content, cut, ago, seconds):
    path = tmp_path_factory.getbasetemp() / "half"
    path.write_bytes(content[:cut])
    settled = is_settled(path, StoredObject("half", len(content[:cut]), 1_000.0 - ago), 1_000.0, seconds)
    assert settled is (seconds == 0 or 1_000.0 - (1_000.0 - ago) >= seconds or content[:cut].endswith(b"\n"))
