"""Folders and single files that an asset watcher checks."""

import pytest

from include.core.errors import BadDataError
from include.core.remote import UnreachableError
from include.core.storage import write_whole
from quartet.hooks.storage import StorageHook
from quartet.triggers.watched import open_watched
from tests.support.web import status

PATH = "/day.tsv"


@pytest.fixture(params=["local", "s3"])
def storage(request) -> StorageHook:
    request.getfixturevalue("home" if request.param == "local" else "s3_storage")
    return StorageHook()


@pytest.mark.parametrize("prefix", ["ratings/training", "ratings/training/"])
def test_a_folder(storage, prefix):
    watched = open_watched(prefix)
    assert str(watched) == prefix
    assert watched.look() == {}
    for name in ("a.txt", "_aside", "below/a.txt", "b.txt.part", "c.txt~"):
        write_whole(storage.path("ratings/training") / name, b"1\n")
    there = watched.look()
    assert list(there) == ["a.txt"]
    assert watched.is_settled(there["a.txt"])


def test_one_file_below_the_storage_root_and_by_its_url(storage):
    files = [open_watched(url=url) for url in ("songs/day.tsv", storage.url("songs/day.tsv"))]
    assert [watched.look() for watched in files] == [{}, {}]
    write_whole(storage.path("songs/day.tsv"), b"12345\n")
    for watched in files:
        there = watched.look()
        assert [(name, each.size) for name, each in there.items()] == [("day.tsv", 6)]
        assert watched.is_settled(there["day.tsv"])


def test_a_file_without_a_newline_is_seen_when_it_has_settled(home):
    (home / "half.tsv").write_bytes(b"1")
    url = f"file://{home}/half.tsv"
    assert open_watched(url=url, settle_seconds=60).look() == {}
    assert list(open_watched(url=url, settle_seconds=0).look()) == ["half.tsv"]


def test_a_web_address(web):
    web.files[PATH] = b"12345\n"
    watched = open_watched(url=f"{web.url}{PATH}?key=secret")
    there = watched.look()
    assert there["day.tsv"].size == 6
    assert watched.is_settled(there["day.tsv"])
    assert str(watched) == f"{web.url}{PATH}?…"
    web.always["HEAD", PATH] = web.always["GET", PATH] = status(404)
    assert watched.look() == {}
    web.always["HEAD", PATH] = web.always["GET", PATH] = status(503)
    with pytest.raises(UnreachableError):
        watched.look()


@pytest.mark.parametrize("url", ["ftp://host/day.tsv", "gs://bucket/day.tsv"])
def test_an_address_of_another_kind_is_refused(url):
    with pytest.raises(BadDataError, match="http, https, s3 or file was expected, found"):
        open_watched(url=url)
