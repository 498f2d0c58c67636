"""The lister: folders, single objects, web addresses."""

import os

import pytest

from include.core.storage import write_whole
from quartet.hooks.storage import StorageHook
from quartet.triggers.listing import UnclearAnswerError, make_lister, redact

HEADERS = {"ETag": '"v1"', "Content-Length": "12", "Last-Modified": "Sun, 13 Sep 2020 12:26:40 GMT"}


@pytest.fixture(params=["local", "s3"])
def storage(request):
    request.getfixturevalue("home" if request.param == "local" else "s3_storage")
    return StorageHook()


@pytest.mark.parametrize("prefix", ["ratings/training", "ratings/training/"])
def test_a_folder(storage, prefix):
    lister = make_lister(prefix)
    assert str(lister) == prefix
    assert lister.look() == {}
    write_whole(storage.path("ratings/training/a.txt"), b"1\n")
    write_whole(storage.path("ratings/training/_aside"), b"1\n")
    write_whole(storage.path("ratings/training/below/a.txt"), b"1\n")
    there = lister.look()
    assert list(there) == ["a.txt"]
    assert lister.is_settled(there["a.txt"])


def test_one_object_below_the_storage_root_and_by_its_url(storage):
    listers = [make_lister(url=url) for url in ("songs/day.tsv", storage.url("songs/day.tsv"))]
    assert [lister.look() for lister in listers] == [{}, {}]
    write_whole(storage.path("songs/day.tsv"), b"12345\n")
    for lister in listers:
        there = lister.look()
        assert [(name, each.size) for name, each in there.items()] == [("day.tsv", 6)]
        assert lister.is_settled(there["day.tsv"])


def test_an_s3_url_may_name_its_connection(s3_storage, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_QUARTET_STORAGE"])
    monkeypatch.delenv("AIRFLOW_CONN_QUARTET_STORAGE")
    assert make_lister(url=s3_storage.replace("s3://", "s3://other@") + "/day.tsv").look() == {}


def test_a_file_without_a_newline_settles(home):
    path = home / "half.tsv"
    path.write_bytes(b"1")
    for settle_seconds, settled in [(60.0, False), (0.0, True)]:
        lister = make_lister(url=f"file://{path}", settle_seconds=settle_seconds)
        assert lister.is_settled(lister.look()["half.tsv"]) is settled


def test_a_web_address(web):
    web.answers["*", "/day.tsv"] = (200, HEADERS)
    lister = make_lister(url=f"{web.url}/day.tsv?key=secret")
    there = lister.look()
    assert there["day.tsv"].fingerprint == '12-1600000000.000000-"v1"'
    assert lister.is_settled(there["day.tsv"])
    assert web.requests == [("HEAD", "/day.tsv?key=secret")]


def test_a_web_address_is_replaced(web):
    lister = make_lister(url=f"{web.url}/day.tsv")
    prints = []
    for change in ({"ETag": '"v2"'}, {"Content-Length": "13"}, {"Last-Modified": "Mon, 14 Sep 2020 12:26:40 GMT"}):
        web.answers["*", "/day.tsv"] = (200, HEADERS | change)
        prints.append(lister.look()["day.tsv"].fingerprint)
    assert len(set(prints)) == 3


def test_a_web_server_may_tell_nothing(web):
    web.answers["*", "/"] = (200, {"Last-Modified": "yesterday"})
    there = make_lister(url=f"{web.url}/").look()
    assert [(name, each.size, each.fingerprint) for name, each in there.items()] == [("127.0.0.1", -1, "-1-0.000000")]


@pytest.mark.parametrize("status", [404, 410])
def test_what_a_web_server_does_not_have_is_not_there_yet(web, status):
    web.answers["*", "/day.tsv"] = (status, {})
    assert make_lister(url=f"{web.url}/day.tsv").look() == {}
    assert web.requests == [("HEAD", "/day.tsv")]


@pytest.mark.parametrize("refusal", [405, 501, 403, 400])
@pytest.mark.parametrize(("status", "names"), [(200, ["day.tsv"]), (404, [])])
def test_a_server_that_refuses_head_is_asked_with_get(web, refusal, status, names):
    web.answers["HEAD", "/day.tsv"] = (refusal, {})
    web.answers["GET", "/day.tsv"] = (status, HEADERS)
    assert list(make_lister(url=f"{web.url}/day.tsv").look()) == names


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_any_other_answer_is_an_error(web, status):
    web.answers["*", "/day.tsv"] = (status, {})
    with pytest.raises(UnclearAnswerError, match=rf"/day\.tsv\?… answers {status} [A-Z].*, not 200 or 404"):
        make_lister(url=f"{web.url}/day.tsv?key=secret").look()


def test_a_redirect_is_followed(web):
    web.answers["*", "/latest"] = (302, {"Location": "/day.tsv"})
    web.answers["*", "/day.tsv"] = (200, HEADERS)
    assert make_lister(url=f"{web.url}/latest").look()["latest"].size == 12


@pytest.mark.parametrize("url", ["ftp://host/day.tsv", "gs://bucket/day.tsv"])
def test_another_kind_of_url_is_refused(url):
    with pytest.raises(ValueError, match="http, https, s3 or file was expected, found"):
        make_lister(url=url)


def test_secrets_are_not_redact():
    assert redact("https://user:word@host:8/a%20b?sig=1#x") == "https://host:8/a%20b?…"
    assert redact("https://host/a") == "https://host/a"
