"""StorageHook and its objects, local and in S3 (a moto server)."""

import posixpath

import pytest
from airflow.sdk import ObjectStoragePath
from hypothesis import given
from hypothesis import strategies as st

from include.core.errors import DamagedObjectError
from include.core.storage import (
    find_object,
    is_settled,
    list_objects,
    read_bytes,
    read_json,
    walk_objects,
    write_json,
    write_whole,
)
from quartet.hooks.storage import StorageHook


@pytest.fixture(params=["local", "s3"])
def storage(request):
    request.getfixturevalue("home" if request.param == "local" else "s3_storage")
    return StorageHook()


def test_what_is_written_is_listed_and_read(storage):
    folder = storage.path("ratings/training")
    assert list_objects(folder) == {}
    for name in ("b.txt", "a.txt", ".hidden", "_aside", "deeper/c.txt"):
        write_whole(folder / name, name.encode())
    found = list_objects(folder)
    assert {name: each.size for name, each in found.items()} == {"a.txt": 5, "b.txt": 5}
    assert find_object(folder / "a.txt") == found["a.txt"]
    assert find_object(folder / "c.txt") is None
    assert find_object(folder) is None
    assert read_bytes(folder / "a.txt") == b"a.txt"


def test_a_walk_finds_what_lies_deeper(storage):
    folder = storage.path("ratings/training")
    assert walk_objects(folder) == {}
    for name in ("b.txt", "a.txt", ".hidden", "_aside", "a-/d.txt", "deep/er/c.txt"):
        write_whole(folder / name, name.encode())
    write_whole(storage.path("ratings/training-not/e.txt"), b"beside it")
    found = walk_objects(folder)
    assert list(found) == [".hidden", "_aside", "a-/d.txt", "a.txt", "b.txt", "deep/er/c.txt"]
    assert found["deep/er/c.txt"].size == len("deep/er/c.txt")
    assert found["deep/er/c.txt"].fingerprint == list_objects(folder / "deep" / "er")["c.txt"].fingerprint
    write_whole(folder / "deep/er/c.txt", b"other")
    write_whole(folder / "deep/new.txt", b"new")
    again = walk_objects(folder)
    assert set(again) - set(found) == {"deep/new.txt"}
    assert again["deep/er/c.txt"].fingerprint != found["deep/er/c.txt"].fingerprint


def test_an_exclusive_write_does_not_replace(storage):
    path = storage.path("ratings", "a.txt")
    write_whole(path, b"one", exclusive=True)
    with pytest.raises(FileExistsError):
        write_whole(path, b"two", exclusive=True)
    assert read_bytes(path) == b"one"


def test_a_replaced_object_is_read_whole_and_has_another_fingerprint(storage):
    path = storage.path("ratings/a.txt")
    write_whole(path, b"one")
    before = list_objects(storage.path("ratings"))["a.txt"]
    storage.path("ratings/a.txt").fs.invalidate_cache()
    write_whole(path, b"TWO")
    assert list_objects(storage.path("ratings"))["a.txt"].fingerprint != before.fingerprint


def test_an_object_that_another_process_made_longer_is_read_whole(s3_storage, s3_server):
    import boto3

    path = StorageHook().path("ratings/a.txt")
    write_whole(path, b"one")
    list_objects(StorageHook().path("ratings"))  # fills the cache of s3fs
    bucket, _, prefix = s3_storage.removeprefix("s3://").partition("/")
    client = boto3.client(
        "s3", "eu-central-1", endpoint_url=s3_server, aws_access_key_id="id", aws_secret_access_key="secret"
    )
    client.put_object(Bucket=bucket, Key=f"{prefix}/ratings/a.txt", Body=b"longer than before")
    assert read_bytes(path) == b"longer than before"
    assert list_objects(StorageHook().path("ratings"))["a.txt"].size == 18
    client.put_object(Bucket=bucket, Key=f"{prefix}/ratings/b.txt", Body=b"new")
    assert find_object(StorageHook().path("ratings/b.txt"))
    assert list(list_objects(StorageHook().path("ratings"))) == ["a.txt", "b.txt"]
    assert list(walk_objects(StorageHook().path("ratings"))) == ["a.txt", "b.txt"]
    client.put_object(Bucket=bucket, Key=f"{prefix}/ratings/c.txt", Body=b"newest")
    assert list(walk_objects(StorageHook().path("ratings"))) == ["a.txt", "b.txt", "c.txt"]


def test_an_object_that_another_process_made_after_a_listing_is_read(s3_storage, s3_server):
    import boto3

    folder = StorageHook().path("ratings")
    write_whole(folder / "a.txt", b"one")
    folder.fs.ls(folder.path)  # fills the cache of s3fs
    bucket, _, prefix = s3_storage.removeprefix("s3://").partition("/")
    client = boto3.client(
        "s3", "eu-central-1", endpoint_url=s3_server, aws_access_key_id="id", aws_secret_access_key="secret"
    )
    client.put_object(Bucket=bucket, Key=f"{prefix}/ratings/b.txt", Body=b"new")
    assert read_bytes(folder / "b.txt") == b"new"


def test_an_s3_folder_marker_or_namesake_is_no_object(s3_storage):
    folder = StorageHook().path("ratings/training")
    folder.fs.pipe_file(f"{folder.path}/", b"")
    assert list_objects(folder) == {}
    assert walk_objects(folder) == {}
    folder.fs.pipe_file(folder.path, b"namesake")
    assert list_objects(folder) == {}
    assert walk_objects(folder) == {}
    folder.fs.pipe_file(f"{folder.path}/deeper/", b"")
    assert walk_objects(folder) == {}


def test_an_s3_object_is_complete_when_it_is_seen(s3_storage):
    path = StorageHook().path("ratings/a.txt")
    write_whole(path, b"no newline")
    stored = find_object(path)
    assert stored
    assert is_settled(path, stored, stored.changed, 2.0)


def test_a_missing_bucket_is_an_error_not_an_empty_folder(s3_storage):
    nowhere = ObjectStoragePath("s3://no-such-bucket/ratings", conn_id="quartet_storage")
    with pytest.raises(FileNotFoundError, match="bucket does not exist"):
        list_objects(nowhere)
    with pytest.raises(FileNotFoundError, match="bucket does not exist"):
        walk_objects(nowhere)


def test_json_and_damage(storage):
    path = storage.path("ratings/a.json")
    assert read_json(path) is None
    write_json(path, {"title": "Amélie"})
    assert read_json(path) == {"title": "Amélie"}
    write_whole(path, b"{")
    with pytest.raises(DamagedObjectError, match=r"a\.json is not JSON"):
        read_json(path)


@pytest.mark.parametrize("part", ["..", "a/../b", "/etc", "", "a//b", "a/", ".", "a\\b", "a\0b"])
def test_a_path_that_climbs_out_is_refused(home, part):
    with pytest.raises(ValueError, match="below the storage root was expected"):
        StorageHook().path("ratings", part)


@given(parts=st.lists(st.text(st.sampled_from("ab./ %é\\"), max_size=6), min_size=1, max_size=3))
def test_a_path_never_leaves_the_root(parts):
    root = StorageHook().root
    try:
        url = StorageHook().url(*parts)
    except ValueError:
        return
    assert posixpath.normpath(url.removeprefix("file://")).startswith(root.removeprefix("file://") + "/")


@pytest.mark.parametrize("name", ["a b", "50%", "%41", "é", "a#b", "a?b", "a:b", "a@b"])
def test_odd_names_are_kept(storage, name):
    write_whole(storage.path("ratings", name), b"x")
    assert list(list_objects(storage.path("ratings"))) == [name]
    assert read_bytes(storage.path("ratings") / name) == b"x"
    assert read_bytes(storage.path("ratings", name)) == b"x"


def test_local_storage_needs_no_credentials(home):
    assert StorageHook().url("a", "b/c") == f"file://{home}/data/a/b/c"
    assert StorageHook().options() == {}
    assert StorageHook().environment() == {}


def test_s3_credentials_for_other_libraries(s3_storage, s3_server):
    keys = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
    assert StorageHook().environment() == keys | {"MLFLOW_S3_ENDPOINT_URL": s3_server}
    assert StorageHook().options() == keys | {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ALLOW_HTTP": "true",
        "aws_conditional_put": "etag",
    }


def test_delta_writes_with_these_credentials(s3_storage):
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    hook = StorageHook()
    write_deltalake(hook.url("ratings/table"), pa.table({"stars": [5, 4]}), storage_options=hook.options())
    assert DeltaTable(hook.url("ratings/table"), storage_options=hook.options()).to_pyarrow_table().num_rows == 2
