"""StorageHook: paths, URLs and credentials, local and S3 alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.objects import list_objects, read_bytes, write_whole
from quartet.hooks.storage import StorageHook


@pytest.fixture(params=["local", "s3"])
def storage(request):
    request.getfixturevalue("home" if request.param == "local" else "s3_storage")
    return StorageHook()


def test_what_is_written_is_listed_and_read(storage):
    folder = storage.path("ratings/training")
    assert list_objects(folder) == {}
    write_whole(folder / "b.txt", b"2")
    write_whole(folder / "a.txt", b"11")
    write_whole(folder / "deeper" / "c.txt", b"3")
    assert {name: each.size for name, each in list_objects(folder).items()} == {"a.txt": 2, "b.txt": 1}
    assert read_bytes(folder / "a.txt") == b"11"
