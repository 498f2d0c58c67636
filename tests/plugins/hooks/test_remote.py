"""RemoteHook: one way to files on the web, in S3, on disk and below the storage root."""

import os

import pytest

from include.core.remote import MissingError, RefusedError
from include.core.storage import write_whole
from quartet.hooks.remote import RemoteHook
from quartet.hooks.storage import StorageHook
from tests.support.remote import read


@pytest.fixture(params=["local", "s3"])
def storage(request) -> StorageHook:
    request.getfixturevalue("home" if request.param == "local" else "s3_storage")
    return StorageHook()


def test_a_file_below_the_storage_root_and_by_its_url(storage):
    urls = ["songs/day.tsv", storage.url("songs/day.tsv")]
    for url in urls:
        with RemoteHook().open(url) as remote, pytest.raises(MissingError):
            remote.look()
    write_whole(storage.path("songs/day.tsv"), b"12345\n")
    for url in urls:
        with RemoteHook().open(url) as remote:
            found = remote.look()
            assert (found.name, found.size, read(remote)) == ("day.tsv", 6, b"12345\n")
            assert remote.is_settled(found, found.changed, 60)


def test_an_s3_url_may_name_its_connection(s3_storage, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_QUARTET_STORAGE"])
    monkeypatch.delenv("AIRFLOW_CONN_QUARTET_STORAGE")
    url = s3_storage.replace("s3://", "s3://other@") + "/day.tsv"
    with RemoteHook().open(url) as remote, pytest.raises(MissingError):
        remote.look()


def test_a_web_address_with_a_secret_query(web):
    web.files["/day.tsv"] = b"12345\n"
    with RemoteHook().open(f"{web.url}/day.tsv", "?key=secret") as remote:
        assert remote.look().size == 6
        assert read(remote) == b"12345\n"
        assert "secret" not in f"{remote} {remote!r}"
    assert web.requests == [("HEAD", "/day.tsv?key=secret"), ("GET", "/day.tsv?key=secret")]


@pytest.mark.parametrize("url", ["ftp://host/day.tsv", "gs://bucket/day.tsv", "http://host:many/a"])
def test_an_address_of_another_kind_is_refused(url):
    with pytest.raises(RefusedError, match="an address"), RemoteHook().open(url):
        pass
