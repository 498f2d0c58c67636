"""Remote files on web servers: what a look finds, and what reading does."""

import os
import socket
import time

import httpx
import pytest

from include.core.remote import MissingError, RefusedError, TooSlowError, UnreachableError
from include.core.remote.web import BLOCK_BYTES, WebFile, describe
from include.core.web import redact
from tests.support.remote import both, read
from tests.support.web import Fault, Handler, chunked, content, status

PATH = "/share/day.parquet"
MISSING = [403, 404, 410]
TRANSIENT = [408, 429, 500, 502, 503, 504, 599]
REFUSED = [400, 401, 402, 406, 451, 304]


def test_what_is_there_is_seen_without_its_content(web, web_client):
    web.files[PATH] = b"12345"
    found = WebFile(web.url + PATH, web_client).look()
    assert (found.name, found.size) == ("day.parquet", 5)
    assert found.tag
    assert web.requests == [("HEAD", PATH)]
    assert read(WebFile(web.url + PATH, web_client)) == b"12345"


@pytest.mark.parametrize("code", MISSING)
def test_what_is_missing(web, web_client, code):
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = status(code)
    for found in both(WebFile(web.url + PATH, web_client)):
        assert isinstance(found, MissingError)
        assert f"{web.url}{PATH}: {code} " in str(found)


@pytest.mark.parametrize("code", TRANSIENT)
def test_trouble_that_passes(web, web_client, code):
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = status(code)
    for found in both(WebFile(web.url + PATH, web_client)):
        assert isinstance(found, UnreachableError)
        assert f"{PATH}: {code}" in str(found)


@pytest.mark.parametrize("code", REFUSED)
def test_what_is_refused(web, web_client, code):
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = status(code)
    assert [type(found) for found in both(WebFile(web.url + PATH, web_client))] == [RefusedError] * 2


def test_a_server_that_does_not_answer_is_trouble_that_passes(web, web_client):
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = web.hang
    for found in both(WebFile(web.url + PATH, web_client)):
        assert isinstance(found, UnreachableError)
        assert "ReadTimeout" in str(found)


def refused_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("place", [refused_port, lambda: "http://no-such-host.invalid"])
def test_no_connection_and_no_such_host_are_trouble_that_passes(web_client, place):
    for found in both(WebFile(place() + PATH, web_client)):
        assert isinstance(found, UnreachableError)
        assert "ConnectError" in str(found)


@pytest.mark.parametrize("refusal", [400, 403, 405, 501])
def test_a_server_that_refuses_head_is_asked_for_one_byte(web, web_client, refusal):
    web.always["HEAD", PATH] = status(refusal)
    web.faults["GET", PATH] = [status(206, Content_Range="bytes 0-0/12345", Content_Length="1")]
    found = WebFile(web.url + PATH, web_client).look()
    assert found.size == 12345
    assert web.ranges == ["bytes=0-0"]


@pytest.mark.parametrize("code", [404, 410, 500, 502, 429])
def test_a_server_that_fails_at_head_is_asked_for_one_byte(web, web_client, code):
    web.always["HEAD", PATH] = status(code)
    web.files[PATH] = b"12345"
    assert WebFile(web.url + PATH, web_client).look().size == 5
    assert web.ranges == ["bytes=0-0"]


def close(handler: Handler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def test_a_server_that_closes_the_connection_at_head_is_asked_for_one_byte(web, web_client):
    web.always["HEAD", PATH] = close
    web.files[PATH] = b"12345"
    assert WebFile(web.url + PATH, web_client).look().size == 5
    web.always["GET", PATH] = close
    for found in both(WebFile(web.url + PATH, web_client)):
        assert isinstance(found, UnreachableError)


@pytest.mark.parametrize(
    ("head", "get", "error", "text"),
    [
        (503, 404, UnreachableError, "503 Service Unavailable"),
        (404, 401, RefusedError, "401"),
        (405, 404, MissingError, "404"),
    ],
)
def test_the_second_look_decides_only_what_the_first_did_not(web, web_client, head, get, error, text):
    web.always["HEAD", PATH], web.always["GET", PATH] = status(head), status(get)
    with pytest.raises(error, match=text):
        WebFile(web.url + PATH, web_client).look()


def test_a_server_that_knows_no_ranges_need_not_send_its_file(web, web_client):
    web.always["HEAD", PATH] = status(405)
    web.files[PATH] = bytes(50_000_000)
    found = WebFile(web.url + PATH, web_client).look()
    assert found.size == 50_000_000


def test_an_empty_file_has_no_first_byte(web, web_client):
    web.always["HEAD", PATH] = status(405)
    web.always["GET", PATH] = status(416, Content_Range="bytes */0")
    found = WebFile(web.url + PATH, web_client).look()
    assert found.size == 0


def test_no_connection_is_left_open(web, monkeypatch):
    web.always["HEAD", PATH] = status(405)
    web.files[PATH] = bytes(1_000_000)
    closed = []
    real = httpx.Response.close
    monkeypatch.setattr(httpx.Response, "close", lambda self: (closed.append(self), real(self))[1])
    with httpx.Client(trust_env=False) as web_client:
        WebFile(web.url + PATH, web_client).look()
        with pytest.raises(KeyError), WebFile(web.url + PATH, web_client).open():
            raise KeyError
    assert len({id(each) for each in closed}) == 3


def test_redirects_are_followed_but_not_in_circles(web, web_client):
    web.files[PATH] = b"12345"
    for method in ("HEAD", "GET"):
        web.always[method, "/latest"] = status(302, Location=PATH)
        web.always[method, "/circle"] = status(302, Location="/circle")
        web.always[method, "/elsewhere"] = status(302, Location="ftp://host/day.parquet")
    assert read(WebFile(f"{web.url}/latest", web_client)) == b"12345"
    found = WebFile(f"{web.url}/latest", web_client).look()
    assert found.size == 5
    for path in ("/circle", "/elsewhere"):
        assert [type(found) for found in both(WebFile(web.url + path, web_client))] == [RefusedError] * 2


@pytest.mark.parametrize(
    "place", ["http://localhost:{port}", "http://127.0.0.1:1", "https://elsewhere.example", "//localhost"]
)
def test_a_redirect_to_another_server_is_refused_by_name(web, web_client, place):
    location = place.format(port=web.url.rpartition(":")[2])
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = status(302, Location=f"{location}/secret?sig=1")
    for found in both(WebFile(web.url + PATH, web_client)):
        assert isinstance(found, RefusedError)
        assert location.rpartition("/")[2] in str(found)
        assert "secret" not in str(found)
    assert {path for _, path in web.requests} == {PATH}


def test_a_redirect_to_a_host_that_is_allowed_is_followed():
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "files.example":
            return httpx.Response(302, headers={"Location": "https://a.content.example/a"})
        return httpx.Response(200, stream=httpx.ByteStream(b"12345"))

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        assert read(WebFile("https://files.example/a", client, "?dl=1", ("content.example",))) == b"12345"
        with pytest.raises(RefusedError):
            read(WebFile("https://files.example/a", client, "", ("tent.example",)))
        with pytest.raises(RefusedError, match=r"https://a\.content\.example"):
            read(WebFile("https://files.example/a", client))


def drip(head: bytes, seconds: float = 0.1) -> Fault:
    """Send some bytes, and after that one at a time for ever."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(head)
        for _ in range(200):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(seconds)

    return answer


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\nPAR1"])
def test_a_server_that_sends_byte_by_byte_is_given_up(web, web_client, monkeypatch, head):
    monkeypatch.setattr("include.core.remote.web.LOOK_SECONDS", 0.5)
    web.always["HEAD", PATH] = web.always["GET", PATH] = drip(head)
    began = time.monotonic()
    file = WebFile(web.url + PATH, web_client, read_seconds=0.5)
    with pytest.raises(TooSlowError, match=r"not at its end after 0\.5 seconds"):
        read(file)
    if not head.endswith(b"PAR1"):
        with pytest.raises(TooSlowError):
            file.look()
    assert time.monotonic() - began < 5


def test_errors_have_no_bytes_of_an_answer(web, web_client):
    def gibberish(handler: Handler) -> None:
        handler.wfile.write(b"SSH-2.0-secret\r\n")
        handler.close_connection = True

    def phrase(handler: Handler) -> None:
        handler.send_response(401, "secret")
        handler.end_headers()

    for fault in (gibberish, phrase):
        web.always["HEAD", PATH] = web.always["GET", PATH] = fault
        for found in both(WebFile(web.url + PATH, web_client)):
            assert isinstance(found, UnreachableError | RefusedError)
            assert "secret" not in str(found)


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "br", "x"])
def test_an_answer_that_the_server_has_compressed_is_refused(web, web_client, encoding):
    """A few bytes may become gigabytes."""
    web.always["GET", PATH] = content(b"12345", 5, encoding=encoding)
    with pytest.raises(RefusedError, match="found an answer with a Content-Encoding"):
        read(WebFile(web.url + PATH, web_client))


def test_a_query_is_sent_and_never_shown(web, web_client):
    web.files[PATH] = b"12345"
    source = WebFile(web.url + PATH, web_client, "?token=secret")
    assert read(source) == b"12345"
    source.look()
    assert {path for _, path in web.requests} == {f"{PATH}?token=secret"}
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = status(500)
    assert "secret" not in f"{source!r} {source} {both(source)}"
    for method in ("HEAD", "GET"):
        web.always[method, PATH] = status(401)
    assert "secret" not in f"{both(source)}"


def test_user_and_password_are_sent_and_never_shown(web, web_client):
    source = WebFile(web.url.replace("//", "//user:secret@") + PATH, web_client)
    assert [type(found) for found in both(source)] == [MissingError] * 2
    assert "secret" not in f"{source} {both(source)}"


@pytest.mark.parametrize(
    "fault",
    [
        content(b"1234", 5),  # the connection ends before the content
        chunked(b"12345", whole=False),
    ],
)
def test_content_that_does_not_come_whole_is_trouble_that_passes(web, web_client, fault):
    web.always["GET", PATH] = fault
    with pytest.raises(UnreachableError):
        read(WebFile(web.url + PATH, web_client))


def test_content_that_stops_coming_is_trouble_that_passes(web, web_client):
    def stop(handler) -> None:
        content(b"1234", 5)(handler)
        web.hang(handler)

    web.always["GET", PATH] = stop
    with pytest.raises(UnreachableError, match="ReadTimeout"):
        read(WebFile(web.url + PATH, web_client))


@pytest.mark.parametrize(("fault", "size"), [(content(b"12345", None), None), (chunked(b"12345"), None)])
def test_a_length_need_not_be_told(web, web_client, fault, size):
    web.always["GET", PATH] = fault
    with WebFile(web.url + PATH, web_client).open() as body:
        assert (body.size, b"".join(body.blocks)) == (size, b"12345")


def test_content_comes_in_blocks_of_a_mebibyte_at_least(web, web_client):
    assert BLOCK_BYTES >= 1 << 20
    data = os.urandom(BLOCK_BYTES * 2 + 5)
    web.files[PATH] = data
    with WebFile(web.url + PATH, web_client).open() as body:
        assert [len(block) for block in body.blocks] == [BLOCK_BYTES, BLOCK_BYTES, 5]


def test_a_bad_certificate_is_refused():
    import ssl

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("certificate") from ssl.SSLCertVerificationError("expired")

    with httpx.Client(transport=httpx.MockTransport(fail)) as web_client:
        assert [type(found) for found in both(WebFile("https://host/a", web_client))] == [RefusedError] * 2


HEADERS = {"ETag": '"v1"', "Content-Length": "12", "Last-Modified": "Sun, 13 Sep 2020 12:26:40 GMT"}


def test_headers_describe_a_file():
    assert describe("a", HEADERS).fingerprint == '12-1600000000.000000-"v1"'
    assert describe("a", {"Last-Modified": "yesterday"}).fingerprint == "-1-0.000000"


@pytest.mark.parametrize(
    "change", [{"ETag": '"v2"'}, {"Content-Length": "13"}, {"Last-Modified": "Mon, 14 Sep 2020 12:26:40 GMT"}]
)
def test_a_replaced_file_has_another_fingerprint(change):
    assert describe("a", HEADERS | change).fingerprint != describe("a", HEADERS).fingerprint


@pytest.mark.parametrize(("path", "name"), [("/a%20b/c%20d", "c d"), ("/a/", "a"), ("/", "host"), ("", "host")])
def test_the_name_of_an_address(web_client, path, name):
    assert WebFile(f"https://host{path}?key=secret", web_client).name == name


def test_secrets_are_not_shown():
    assert redact("https://user:word@host:8/a%20b?sig=1#x") == "https://host:8/a%20b?…"
    assert redact("https://host/a") == "https://host/a"
