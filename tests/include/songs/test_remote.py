"""What a look at a remote file finds, and what reading it does. S3 is in tests/plugins/test_songs_on_s3.py."""

import errno
import os
import socket
from datetime import date
from pathlib import Path

import httpx
import pytest

from include.core.errors import SettingsError
from include.core.storage import StoredObject
from include.songs import remote
from include.songs.remote import BLOCK_BYTES, StoredFile, WebFile
from include.songs.settings import SongSettings
from include.songs.sources import NotReady, NotReadyError, RefusedError, listeners_url, scheme_of, spins_url
from tests.include.songs.web import chunked, content, status

PATH = "/share/day.parquet"
MISSING = [403, 404, 410]
TRANSIENT = [408, 429, 500, 502, 503, 504, 599]
REFUSED = [400, 401, 402, 406, 451, 304]


def read(source) -> bytes:
    with source.open() as body:
        return b"".join(body.blocks)


def both(source) -> list[object]:
    """Look and read; give what the two found, errors included."""
    found: list[object] = []
    for act in (source.look, lambda: read(source)):
        try:
            found.append(act())
        except (NotReadyError, RefusedError) as error:
            found.append(error)
    return [each.found if isinstance(each, NotReadyError) else each for each in found]


def test_what_is_there_is_seen_without_its_content(web, client):
    web.files[PATH] = b"12345"
    found = WebFile(web.url + PATH, client).look()
    assert isinstance(found, StoredObject)
    assert (found.name, found.size) == ("day.parquet", 5)
    assert found.tag
    assert web.requests == [("HEAD", PATH)]
    assert read(WebFile(web.url + PATH, client)) == b"12345"


@pytest.mark.parametrize("code", MISSING)
def test_what_is_missing(web, client, code):
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = status(code)
    for found in both(WebFile(web.url + PATH, client)):
        assert isinstance(found, NotReady)
        assert not found.passing
        assert f"{web.url}{PATH}: {code} " in found.reason


@pytest.mark.parametrize("code", TRANSIENT)
def test_trouble_that_passes(web, client, code):
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = status(code)
    for found in both(WebFile(web.url + PATH, client)):
        assert isinstance(found, NotReady)
        assert found.passing
        assert f"{PATH}: {code}" in found.reason


@pytest.mark.parametrize("code", REFUSED)
def test_what_is_refused(web, client, code):
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = status(code)
    assert [type(found) for found in both(WebFile(web.url + PATH, client))] == [RefusedError] * 2


def test_a_server_that_does_not_answer_is_trouble_that_passes(web, client):
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = web.hang
    for found in both(WebFile(web.url + PATH, client)):
        assert isinstance(found, NotReady)
        assert found.passing
        assert "ReadTimeout" in found.reason


def refused_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("place", [refused_port, lambda: "http://no-such-host.invalid"])
def test_no_connection_and_no_such_host_are_trouble_that_passes(client, place):
    for found in both(WebFile(place() + PATH, client)):
        assert isinstance(found, NotReady)
        assert found.passing
        assert "ConnectError" in found.reason


@pytest.mark.parametrize("refusal", [400, 403, 405, 501])
def test_a_server_that_refuses_head_is_asked_for_one_byte(web, client, refusal):
    web.always["HEAD", PATH] = status(refusal)
    web.faults["GET", PATH] = [status(206, Content_Range="bytes 0-0/12345", Content_Length="1")]
    found = WebFile(web.url + PATH, client).look()
    assert isinstance(found, StoredObject)
    assert found.size == 12345
    assert web.ranges == ["bytes=0-0"]


def test_a_server_that_knows_no_ranges_need_not_send_its_file(web, client):
    web.always["HEAD", PATH] = status(405)
    web.files[PATH] = bytes(50_000_000)
    found = WebFile(web.url + PATH, client).look()
    assert isinstance(found, StoredObject)
    assert found.size == 50_000_000


def test_an_empty_file_has_no_first_byte(web, client):
    web.always["HEAD", PATH] = status(405)
    web.always["GET", PATH] = status(416, Content_Range="bytes */0")
    found = WebFile(web.url + PATH, client).look()
    assert isinstance(found, StoredObject)
    assert found.size == 0


def test_no_connection_is_left_open(web, monkeypatch):
    web.always["HEAD", PATH] = status(405)
    web.files[PATH] = bytes(1_000_000)
    closed = []
    real = httpx.Response.close
    monkeypatch.setattr(httpx.Response, "close", lambda self: (closed.append(self), real(self))[1])
    with httpx.Client(trust_env=False) as client:
        WebFile(web.url + PATH, client).look()
        with pytest.raises(KeyError), WebFile(web.url + PATH, client).open():
            raise KeyError
    assert len({id(each) for each in closed}) == 3


def test_redirects_are_followed_but_not_in_circles(web, client):
    web.files[PATH] = b"12345"
    for method in ("HEAD", "GET"):
        web.always[method, "/latest"] = status(302, Location=PATH)
        web.always[method, "/circle"] = status(302, Location="/circle")
        web.always[method, "/elsewhere"] = status(302, Location="ftp://host/day.parquet")
    assert read(WebFile(f"{web.url}/latest", client)) == b"12345"
    found = WebFile(f"{web.url}/latest", client).look()
    assert isinstance(found, StoredObject)
    assert found.size == 5
    for path in ("/circle", "/elsewhere"):
        assert [type(found) for found in both(WebFile(web.url + path, client))] == [RefusedError] * 2


def test_a_query_is_sent_and_never_shown(web, client):
    web.files[PATH] = b"12345"
    source = WebFile(web.url + PATH, client, "?token=secret")
    assert read(source) == b"12345"
    source.look()
    assert {path for _, path in web.requests} == {f"{PATH}?token=secret"}
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = status(500)
    assert "secret" not in f"{source!r} {source} {both(source)}"
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = status(401)
    assert "secret" not in f"{both(source)}"


def test_user_and_password_are_sent_and_never_shown(web, client):
    source = WebFile(web.url.replace("//", "//user:secret@") + PATH, client)
    assert [isinstance(found, NotReady) for found in both(source)] == [True, True]
    assert "secret" not in f"{source} {both(source)}"


@pytest.mark.parametrize(
    "fault",
    [
        content(b"1234", 5),  # the connection ends before the content
        chunked(b"12345", whole=False),
        content(b"12345", None, encoding="gzip"),
    ],
)
def test_content_that_does_not_come_whole_is_trouble_that_passes(web, client, fault):
    web.always["GET", PATH] = fault
    with pytest.raises(NotReadyError) as error:
        read(WebFile(web.url + PATH, client))
    assert error.value.found.passing


def test_content_that_stops_coming_is_trouble_that_passes(web, client):
    def stop(handler) -> None:
        content(b"1234", 5)(handler)
        web.hang(handler)

    web.always["GET", PATH] = stop
    with pytest.raises(NotReadyError, match="ReadTimeout"):
        read(WebFile(web.url + PATH, client))


@pytest.mark.parametrize(("fault", "size"), [(content(b"12345", None), None), (chunked(b"12345"), None)])
def test_a_length_need_not_be_told(web, client, fault, size):
    web.always["GET", PATH] = fault
    with WebFile(web.url + PATH, client).open() as body:
        assert (body.size, b"".join(body.blocks)) == (size, b"12345")


def test_content_comes_in_blocks_of_a_mebibyte_at_least(web, client, tmp_path):
    assert BLOCK_BYTES >= 1 << 20
    data = os.urandom(BLOCK_BYTES * 2 + 5)
    web.files[PATH] = data
    (tmp_path / "a").write_bytes(data)
    for source in (WebFile(web.url + PATH, client), StoredFile(tmp_path / "a")):
        with source.open() as body:
            assert [len(block) for block in body.blocks] == [BLOCK_BYTES, BLOCK_BYTES, 5]


def test_a_bad_certificate_is_refused():
    import ssl

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("certificate") from ssl.SSLCertVerificationError("expired")

    with httpx.Client(transport=httpx.MockTransport(fail)) as client:
        assert [type(found) for found in both(WebFile("https://host/a", client))] == [RefusedError] * 2


def test_a_local_file(tmp_path):
    source = StoredFile(tmp_path / "below" / "a")
    missing = NotReady(f"{tmp_path}/below/a: not there", passing=False)
    assert both(source) == [missing, missing]
    (tmp_path / "below").mkdir()
    assert both(source) == [missing, missing]
    (tmp_path / "below" / "a").write_bytes(b"12345")
    found = source.look()
    assert isinstance(found, StoredObject)
    assert found.size == 5
    assert read(source) == b"12345"


def test_a_local_name_below_a_file_is_missing(tmp_path):
    (tmp_path / "a").touch()
    assert [type(found) for found in both(StoredFile(tmp_path / "a" / "b"))] == [NotReady] * 2


@pytest.mark.parametrize(
    ("number", "passing"), [(errno.ESTALE, True), (errno.EIO, True), (errno.ETIMEDOUT, True), (errno.EACCES, None)]
)
def test_errors_of_a_file_system_are_told_apart(tmp_path, monkeypatch, number, passing):
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(remote, "find_object", fail)
    monkeypatch.setattr(Path, "open", fail)
    for found in both(StoredFile(tmp_path / "a")):
        if passing is None:
            assert isinstance(found, RefusedError)
        else:
            assert isinstance(found, NotReady)
            assert found.passing


def test_a_local_file_that_is_replaced_while_it_is_read_is_not_mixed(tmp_path):
    old, new = bytes(BLOCK_BYTES + 1), b"1" * (BLOCK_BYTES + 1)
    (tmp_path / "a").write_bytes(old)
    with StoredFile(tmp_path / "a").open() as body:
        parts = [next(body.blocks)]
        (tmp_path / "b").write_bytes(new)
        (tmp_path / "b").replace(tmp_path / "a")
        assert b"".join([*parts, *body.blocks]) == old


def test_an_unexpected_error_is_left_as_it_is(tmp_path, monkeypatch):
    def fail(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(remote, "find_object", fail)
    with pytest.raises(ZeroDivisionError):
        StoredFile(tmp_path / "a").look()


DAY = date(2019, 2, 8)


@pytest.mark.parametrize("base", ["https://host/share", "https://host/share/"])
def test_addresses_are_base_and_name(base):
    settings = SongSettings.load(spins_base=base, listeners_base="s3://bucket")
    assert spins_url(settings, DAY) == "https://host/share/spins-2019-02-08.snappy.parquet"
    assert listeners_url(settings) == "s3://bucket/listeners.snappy.parquet"


def test_what_is_not_configured_is_named():
    settings = SongSettings.load(spins_base="", listeners_base="")
    with pytest.raises(SettingsError, match="SONGS_SPINS_BASE is not set"):
        spins_url(settings, DAY)
    with pytest.raises(SettingsError, match="SONGS_LISTENERS_BASE is not set"):
        listeners_url(settings)


@pytest.mark.parametrize(
    "url", ["ftp://host/a", "host/a", "", "http://", "http:///a", "http://host:many/a", "http://[::1/a", "s3:///a"]
)
def test_an_address_of_another_kind_is_refused(url):
    with pytest.raises(RefusedError, match="an address"):
        scheme_of(url)


@pytest.mark.parametrize("url", ["ftp://user:secret@host/a?secret", "http://user:secret@host:many/a?secret"])
def test_a_refused_address_shows_no_secrets(url):
    with pytest.raises(RefusedError) as error:
        scheme_of(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "scheme"),
    [("http://host:8/a", "http"), ("https://[::1]/a", "https"), ("s3://c@bucket/a", "s3"), ("file:///a", "file")],
)
def test_an_address_says_how_it_is_reached(url, scheme):
    assert scheme_of(url) == scheme
