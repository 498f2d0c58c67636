"""The storage port: local files and objects in S3 behave alike, and nobody else asks which of them it is."""

import inspect
import re
import uuid
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from s3fs.errors import translate_boto_error
from upath import UPath

from include.core.storage import (
    StoragePath,
    classify_error,
    compare_and_delete,
    compare_and_swap,
    create_stream,
    find_object,
    hadoop_uri,
    is_behind_link,
    local,
    local_copy,
    native,
    needs_credentials,
    open_read,
    prune,
    read_bytes,
    read_tagged,
    remove_asides,
    remove_folder,
    remove_object,
    s3,
    walk_objects,
    write_stream,
    write_whole,
)
from include.core.web import Trouble

ROOT = Path(__file__).resolve().parents[3]
ASKING = re.compile(
    r"\bis_local\b|\blocal_path\b|(?<!hadoop)\.fs\b|(?<!py4j)\.protocol\b|\bs3fs\b|startswith\([\"'](?:s3|file):"
)
"""What a module contains that finds out for itself where a path leads."""


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path) -> StoragePath:
    """An empty folder."""
    if request.param == "local":
        return tmp_path
    url = request.getfixturevalue("s3_server")
    root = UPath(f"s3://bucket-{uuid.uuid4().hex}", key="id", secret="secret", endpoint_url=url)
    root.mkdir()
    return root


@pytest.mark.parametrize("package", ["include", "plugins"])
def test_nobody_else_asks_whether_a_path_is_local(package):
    asking = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.parent != ROOT / "include" / "core" / "storage"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if ASKING.search(line)
    ]
    assert asking == []


def test_both_stores_have_the_same_functions():
    def functions(module) -> dict[str, list[str]]:
        found = inspect.getmembers(module, inspect.isfunction)
        own = {name: each for name, each in found if each.__module__ == module.__name__ and name[0] != "_"}
        return {name: list(inspect.signature(each).parameters) for name, each in own.items()}

    assert functions(local) == functions(s3)


def test_a_stream_takes_its_place_at_the_end(folder):
    write_whole(folder / "a", b"old")
    with write_stream(folder / "a", folder / "aside" / "a") as file:
        file.write(b"new")
        assert read_bytes(folder / "a") == b"old"
    assert read_bytes(folder / "a") == b"new"
    assert list(walk_objects(folder)) == ["a"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_stream_that_breaks_off_leaves_what_was_there(folder, error):
    write_whole(folder / "a", b"old")

    def breaks_off() -> None:
        with write_stream(folder / "a", folder / "aside" / "a") as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        breaks_off()
    assert read_bytes(folder / "a") == b"old"
    assert list(walk_objects(folder)) == ["a"]


def test_what_a_killed_stream_left_is_removed(tmp_path):
    for name in ("a.1", "a.2", "ab.3"):
        write_whole(tmp_path / name, b"x")
    assert sorted(remove_asides(tmp_path / "a")) == [f"{tmp_path}/a.1", f"{tmp_path}/a.2"]
    assert list(walk_objects(tmp_path)) == ["ab.3"]
    assert remove_asides(tmp_path / "none" / "a") == []


def test_a_stream_whose_aside_is_removed_does_not_take_its_place(tmp_path):
    def overtaken() -> None:
        with write_stream(tmp_path / "a", tmp_path / "b"):
            assert remove_asides(tmp_path / "b")

    with pytest.raises(FileNotFoundError):
        overtaken()
    assert list(walk_objects(tmp_path)) == []


def test_a_new_file_is_streamed(folder):
    with create_stream(folder / "below" / "a") as file:
        file.write(b"1")
        file.write(b"2")
    assert read_bytes(folder / "below" / "a") == b"12"


def test_a_new_local_file_replaces_none(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError), create_stream(tmp_path / "a"):
        pass


def refusing(folder: StoragePath, monkeypatch, code: str, status: int) -> None:
    """Have the bucket of *folder* answer writes as stores do that are not Amazon's: without `<Condition>`."""
    answer = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}

    def pipe_file(*_, **__):
        raise translate_boto_error(ClientError(answer, "PutObject"))

    monkeypatch.setattr(folder.fs, "pipe_file", pipe_file)


@pytest.mark.parametrize("folder", ["s3"], indirect=True)
def test_a_store_that_does_not_name_the_condition_refuses_to_replace(folder, monkeypatch):
    refusing(folder, monkeypatch, "PreconditionFailed", 412)
    with pytest.raises(FileExistsError):
        write_whole(folder / "a", b"two", exclusive=True)
    with pytest.raises(OSError, match="PreconditionFailed") as raised:
        write_whole(folder / "a", b"two")
    assert not isinstance(raised.value, FileExistsError)


@pytest.mark.parametrize("folder", ["s3"], indirect=True)
@pytest.mark.parametrize("code", ["ConditionalRequestConflict", "OperationAborted"])
def test_a_conflict_in_the_store_is_transient(folder, monkeypatch, code):
    refusing(folder, monkeypatch, code, 409)
    with pytest.raises(OSError, match=code) as raised:
        write_whole(folder / "a", b"two", exclusive=True)
    assert not isinstance(raised.value, FileExistsError)
    assert classify_error(folder / "a", raised.value) is Trouble.TRANSIENT


@pytest.mark.parametrize("read_ahead_bytes", [0, 5])
def test_an_object_is_read_in_pieces(folder, read_ahead_bytes):
    write_whole(folder / "a", b"0123456789")
    file, size = open_read(folder / "a", read_ahead_bytes)
    with file:
        assert (size, file.read(4), file.read(4), file.read(4), file.read(4)) == (10, b"0123", b"4567", b"89", b"")
    with pytest.raises(FileNotFoundError):
        open_read(folder / "none", read_ahead_bytes)


def test_an_object_is_swapped_by_who_knows_it(folder):
    path = folder / "below" / "a"
    assert read_tagged(path) is None
    assert not compare_and_swap(path, b"1", "tag")
    assert compare_and_swap(path, b"1", None)
    assert not compare_and_swap(path, b"2", None)
    first = read_tagged(path)
    assert first
    assert first.data == b"1"
    assert compare_and_swap(path, b"2", first.tag)
    assert not compare_and_swap(path, b"3", first.tag)
    assert read_bytes(path) == b"2"


def test_an_object_is_deleted_by_who_knows_it(folder):
    path = folder / "a"
    write_whole(path, b"1")
    first = read_tagged(path)
    write_whole(path, b"2")
    second = read_tagged(path)
    assert first
    assert second
    assert not compare_and_delete(path, first.tag)
    assert read_bytes(path) == b"2"
    assert compare_and_delete(path, second.tag)
    assert find_object(path) is None
    assert not compare_and_delete(path, second.tag)


def test_an_object_is_removed_and_one_that_is_not_there_too(folder):
    write_whole(folder / "a", b"1")
    remove_object(folder / "a")
    assert find_object(folder / "a") is None
    remove_object(folder / "a")
    remove_object(folder / "none" / "b")


def test_a_folder_is_removed_with_all_that_is_in_it(folder):
    remove_folder(folder / "a")
    for name in ("a/1", "a/deep/.2", "ab/3"):
        write_whole(folder / name, b"x")
    remove_folder(folder / "a")
    assert list(walk_objects(folder)) == ["ab/3"]


def test_empty_folders_above_a_removed_file_go(tmp_path):
    for name in ("a/1", "a/b/c/2"):
        write_whole(tmp_path / name, b"x")
    (tmp_path / "a/b/c/2").unlink()
    prune(tmp_path, tmp_path / "a/b/c/2")
    assert [each.name for each in (tmp_path / "a").iterdir()] == ["1"]
    (tmp_path / "a/1").unlink()
    prune(tmp_path / "a", tmp_path / "a/1")
    assert (tmp_path / "a").exists()


def test_a_link_and_what_lies_behind_one(tmp_path):
    write_whole(tmp_path / "elsewhere" / "a", b"x")
    root = tmp_path / "root"
    write_whole(root / "b", b"x")
    (root / "c").symlink_to(root / "b")
    (root / "d").symlink_to(tmp_path / "elsewhere")
    assert [is_behind_link(root, root / name) for name in ("b", "c", "d/a")] == [False, True, True]


def test_a_local_copy(folder, tmp_path):
    write_whole(folder / "a", b"x")
    target = tmp_path / "copies"
    target.mkdir()
    copy = local_copy(folder / "a", target)
    assert isinstance(copy, Path)
    assert copy.read_bytes() == b"x"
    assert copy == (folder / "a" if isinstance(folder, Path) else target / "a")


def test_uris_of_hadoop(tmp_path):
    assert hadoop_uri(tmp_path / "a b%20") == f"file://{tmp_path}/a b%20"  # Hadoop takes them as they are
    assert hadoop_uri(UPath(f"file://{tmp_path}/a")) == f"file://{tmp_path}/a"
    assert hadoop_uri(UPath("s3://bucket/songs/a")) == "s3a://bucket/songs/a"


def test_a_local_path_is_a_path_of_the_standard_library(tmp_path):
    assert native(UPath(f"file://{tmp_path}/a")) == tmp_path / "a"
    assert str(native(UPath("s3://bucket/a"))) == "s3://bucket/a"


@pytest.mark.parametrize(("url", "needed"), [("s3://bucket/a", True), ("file:///a", False)])
def test_an_object_store_needs_credentials(url, needed):
    assert needs_credentials(url) is needed
