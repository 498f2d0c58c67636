"""Requests to a site, with a local, badly behaved server in its place."""

import gzip
import http.server
import signal
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from include.articles.sites.adapters.base import PageError, PageRequest, PageResponse
from include.articles.sites.configuration import Site
from include.core.errors import SettingsError
from quartet.hooks import site as module
from quartet.hooks.site import SiteHook

PAGE = b"<header><h1>Alpha</h1></header>"
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Shared by all clients: creating one takes long, and no server here needs it."""
Behaviour = Callable[["Handler"], None]


@dataclass
class FakeSite:
    """A server with a behaviour per path and a record of its requests."""

    url: str = ""
    behaviours: dict[str, list[Behaviour]] = field(default_factory=dict)
    """Path → behaviour at the first request, the second, …; the last one repeats."""
    requests: list[tuple[str, float]] = field(default_factory=list)
    """Requested paths, with the time in seconds."""
    headers: list[dict[str, str]] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    """Number of concurrent requests."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fake: FakeSite

    def do_GET(self) -> None:
        fake = self.fake
        with fake.lock:
            fake.requests.append((self.path, time.monotonic()))
            fake.headers.append(dict(self.headers))
            fake.under_way += 1
            fake.most = max(fake.most, fake.under_way)
            steps = fake.behaviours.get(self.path, [page()])
            behave = steps.pop(0) if len(steps) > 1 else steps[0]
        try:
            behave(self)
        except (BrokenPipeError, ConnectionResetError):  # the client has gone
            self.close_connection = True
        finally:
            with fake.lock:
                fake.under_way -= 1

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def page(body: bytes = PAGE, status: int = 200, seconds: float = 0, **headers: str) -> Behaviour:
    def behave(handler: Handler) -> None:
        time.sleep(seconds)
        handler.answer(status, body, **headers)

    return behave


def to(location: str, status: int = 301, **headers: str) -> Behaviour:
    return page(b"moved", status, Location=location, **headers)


def cut(handler: Handler) -> None:
    """Announce more bytes than are sent."""
    handler.answer(200, PAGE, Content_Length="1000")
    handler.close_connection = True


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


def drip(handler: Handler) -> None:
    """Send single bytes slowly, so that no single wait is long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b"x")
        time.sleep(0.03)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # of clients that have gone


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSite]:
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: TLS)
    fake = FakeSite()
    with Server(("127.0.0.1", 0), type("Own", (Handler,), {"fake": fake})) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield fake
        server.shutdown()
        thread.join()


def site(**fields: object) -> Site:
    known = {"name": "wcp", "kind": "washington_city_paper", "domain": "washingtoncitypaper.com"}
    return Site.model_validate(known | {"requests_per_second": 1000, "timeout_seconds": 5} | fields)


def questions(*targets: str) -> list[PageRequest]:
    return [PageRequest(str(number), target, target) for number, target in enumerate(targets)]


def ask(fake: FakeSite, *targets: str, base: str = "", **fields: object) -> dict[str, PageResponse | PageError]:
    """Request pages; return target → answer. Waits between attempts are a thousandth of the usual ones."""
    hook = SiteHook(site(**fields), base or fake.url, wait_seconds=0.002)
    return {question.target: answer for question, answer in hook.fetch(questions(*targets))}


def outcome(fake: FakeSite, *steps: Behaviour, **fields: object) -> str:
    """Request a page with this behaviour; return the kind of its error, or `ok`."""
    fake.behaviours["/a"] = list(steps)
    [answer] = ask(fake, "/a", **fields).values()
    return answer.kind if isinstance(answer, PageError) else "ok"


def reply(fake: FakeSite, *steps: Behaviour) -> PageResponse:
    fake.behaviours["/a"] = list(steps)
    [answer] = ask(fake, "/a").values()
    assert isinstance(answer, PageResponse), answer
    return answer


def test_a_page_is_given_with_its_path_and_encoding(fake):
    found = reply(fake, page(Content_Type="text/html; charset=ISO-8859-1"))
    assert found == PageResponse("127.0.0.1", "/a", PAGE, "iso-8859-1")
    assert fake.headers[0]["User-Agent"] == "article-rec-training-job/1.0.0"


@pytest.mark.parametrize(
    ("steps", "expected", "requests"),
    [
        ([page(status=429), page()], "ok", 2),
        ([page(status=503), page(status=500), page()], "ok", 3),
        ([page(status=503)], "http_status", 3),
        ([page(status=429)], "http_status", 3),
        ([page(status=404)], "not_found", 1),
        ([page(status=410)], "not_found", 1),
        ([page(status=403)], "http_status", 1),
        ([page(status=400)], "http_status", 1),
        ([page(status=304)], "http_status", 1),
        ([cut, page()], "ok", 2),
        ([cut], "connection", 3),
        ([hang_up], "connection", 3),
        ([page(b"x" * 5_000_001)], "too_large", 1),
        ([page(gzip.compress(b"x" * 5_000_001), Content_Encoding="gzip")], "too_large", 1),
        ([page(b"no gzip", Content_Encoding="gzip")], "bad_encoding", 1),
        ([page(gzip.compress(PAGE)[:-9], Content_Encoding="gzip")], "bad_encoding", 1),
        ([page(gzip.compress(b"") * 101, Content_Encoding="gzip")], "bad_encoding", 1),
        ([page(gzip.compress(PAGE) * 100, Content_Encoding="X-GZIP")], "ok", 1),
        ([page(b"", Content_Encoding="gzip")], "ok", 1),
        ([page(PAGE, Content_Encoding="identity")], "ok", 1),
        ([page(PAGE, Content_Encoding="br")], "bad_encoding", 1),
        ([page(PAGE, Content_Encoding="zstd")], "bad_encoding", 1),
        ([page(gzip.compress(gzip.compress(PAGE)), Content_Encoding="gzip, gzip")], "bad_encoding", 1),
        ([page(bytes(range(256)), Content_Type="image/png")], "ok", 1),
        ([page(b"")], "ok", 1),
        ([page(Content_Type="text/html; charset=klingon")], "ok", 1),
    ],
)
def test_only_what_may_pass_is_tried_again(fake, steps, expected, requests):
    assert outcome(fake, *steps) == expected
    assert len(fake.requests) == requests


def test_a_page_may_be_compressed(fake):
    assert reply(fake, page(gzip.compress(PAGE), Content_Encoding="gzip")).body == PAGE
    assert fake.headers[0]["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("encoding", "packer", "kind"),
    [
        ("gzip", zlib.compressobj(wbits=31), "too_large"),
        ("deflate", zlib.compressobj(), "bad_encoding"),
    ],
)
def test_a_small_body_that_grows_without_end_takes_no_memory(fake, encoding, packer, kind):
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    found = outcome(fake, page(bomb, Content_Encoding=encoding))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == kind
    assert peak < 30_000_000
    assert len(fake.requests) == 1


def test_the_body_of_a_redirect_does_not_matter(fake):
    fake.behaviours["/b"] = [page()]
    assert outcome(fake, page(b"moved", 301, Location="/b", Content_Encoding="zstd")) == "ok"


def test_there_may_be_more_or_fewer_attempts(fake):
    assert outcome(fake, page(status=503), attempts=5) == "http_status"
    assert outcome(fake, page(status=503), attempts=1) == "http_status"
    assert len(fake.requests) == 6


@pytest.mark.parametrize("slow", [page(seconds=0.5), drip])
def test_a_page_that_takes_too_long_is_given_up(fake, slow):
    began = time.monotonic()
    assert outcome(fake, slow, timeout_seconds=0.1, attempts=2) == "timeout"
    assert time.monotonic() - began < 2
    assert len(fake.requests) == 2


def test_redirects_share_the_time_of_the_attempts(fake):
    for number in range(9):
        fake.behaviours[f"/{number}"] = [page(b"", 302, seconds=0.15, Location=f"/{number + 1}")]
    began = time.monotonic()
    [answer] = ask(fake, "/0", timeout_seconds=0.5, attempts=1).values()
    assert isinstance(answer, PageError)
    assert (answer.kind, "/0: no page in 0.5 s, with its redirects" in str(answer)) == ("timeout", True)
    assert time.monotonic() - began < 1.2  # nine redirects take 1.35 s
    assert len(fake.requests) <= 4


def test_the_wait_for_a_turn_is_no_part_of_the_limit(fake):
    fake.behaviours["/0"] = [page(status=503, Retry_After="9"), page()]
    answers = ask(fake, "/0", "/1", timeout_seconds=0.2, attempts=2, max_wait_seconds=0.5, concurrent_requests=2)
    assert [type(answer) for answer in answers.values()] == [PageResponse, PageResponse]


def test_a_site_that_is_not_there_is_a_failed_connection(fake):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        answers = ask(fake, "/a", base=f"http://127.0.0.1:{free.getsockname()[1]}")
    assert [answer.kind for answer in answers.values() if isinstance(answer, PageError)] == ["connection"]


def test_waits_double_and_have_an_end(fake):
    assert SiteHook(site()).wait_seconds == 2
    fake.behaviours["/a"] = [page(status=503)]
    list(SiteHook(site(attempts=6, max_wait_seconds=0.1), fake.url, wait_seconds=0.02).fetch(questions("/a")))
    waits = [later - earlier for (_, earlier), (_, later) in pairwise(fake.requests)]
    for wait, expected in zip(waits, [0.02, 0.04, 0.08, 0.1, 0.1], strict=True):
        assert wait >= expected * 0.9
    assert sum(waits) < 1


@pytest.mark.parametrize(
    ("value", "waits"),
    [
        ("1", True),
        ("9" * 400, True),
        ("Fri, 31 Dec 2100 23:59:59 GMT", True),
        ("Wed, 21 Oct 2015 07:28:00 GMT", False),
        ("0.9", False),  # only whole seconds are understood
        ("-5", False),
        ("soon", False),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", False),
        ("Fri, 31 Dec 2100 23:59:59 +99999999999999999999", False),
    ],
)
def test_a_site_may_ask_for_quiet_within_bounds(fake, value, waits):
    assert outcome(fake, page(status=429, Retry_After=value), page(), max_wait_seconds=0.4) == "ok"
    (_, first), (_, second) = fake.requests
    assert waits == (0.38 < second - first < 5)


def test_quiet_is_for_all_requests(fake):
    fake.behaviours["/0"] = [page(status=503, Retry_After="9"), page()]
    ask(fake, *[f"/{number}" for number in range(12)], max_wait_seconds=0.3, concurrent_requests=2)
    times = [at for _, at in fake.requests]
    assert len(times) == 13
    before = sum(at - times[0] < 0.25 for at in times)
    assert before <= 3  # what was under way already


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        ({"/a": to("/b")}, "/b"),
        ({"/a": to("/b", 302), "/b": to("c/?x=1#y", 308)}, "/c/"),
        ({"/a": to("/caf%C3%A9?q")}, "/caf%C3%A9"),
        ({f"/{a}": to(f"/{b}") for a, b in pairwise("abcdefghijk")}, "/k"),
    ],
)
def test_redirects_are_followed(fake, steps, path):
    fake.behaviours = {at: [step] for at, step in steps.items()}
    [answer] = ask(fake, "/a").values()
    assert isinstance(answer, PageResponse), answer
    assert answer.path == path
    assert len(fake.requests) == len(steps) + 1


@pytest.mark.parametrize(
    ("steps", "requests"),
    [
        ({"/a": to("/a")}, 1),
        ({"/a": to("/b", Set_Cookie="seen=1; Path=/"), "/b": to("/a")}, 2),
        ({f"/{a}": to(f"/{b}") for a, b in pairwise("abcdefghijklmnop")}, 11),
    ],
)
def test_redirects_without_end_are_a_loop(fake, steps, requests):
    fake.behaviours = {at: [step] for at, step in steps.items()}
    [answer] = ask(fake, "/a").values()
    assert isinstance(answer, PageError)
    assert answer.kind == "redirect_loop"
    assert len(fake.requests) == requests


@pytest.mark.parametrize(
    "location",
    [
        "http://elsewhere.example/a",
        "https://washingtoncitypaper.com/a",  # a copy does not lead to the original
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:1/",
        "ftp://127.0.0.1/a",
        "file:///etc/passwd",
        "//elsewhere.example/a",
    ],
)
def test_a_redirect_to_elsewhere_is_not_followed(fake, location):
    assert outcome(fake, to(location)) == "redirect_elsewhere"
    assert fake.paths == ["/a"]


@pytest.mark.parametrize(
    "location", ["http://[::1/", "//[x", "http://a:99999999/", "/\x7f", "http://\xff.example", "//:x"]
)
def test_a_redirect_to_no_address_is_an_error_of_one_article(fake, location):
    assert outcome(fake, to(location), attempts=1) in ("connection", "redirect_elsewhere", "bad_url")


def test_the_site_itself_may_be_under_several_names():
    visit = module.Visit(site(), "https://washingtoncitypaper.com", 0, None)  # type: ignore[arg-type]
    allowed = {
        "http://washingtoncitypaper.com/": True,
        "https://www.washingtoncitypaper.com/": True,
        "https://archive.washingtoncitypaper.com/": True,
        "https://evilwashingtoncitypaper.com/": False,
        "https://washingtoncitypaper.com.evil.example/": False,
    }
    assert {url: visit._is_ours(module.httpx.URL(url)) for url in allowed} == allowed


def test_no_cookies_are_kept(fake):
    fake.behaviours["/a"] = [page(Set_Cookie="visits=1; Path=/")]
    ask(fake, "/a", "/b")
    assert not any("Cookie" in headers for headers in fake.headers)


def test_a_copy_may_lie_in_a_folder(fake):
    fake.behaviours["/copy/a"] = [to("/copy/b/")]
    [answer] = ask(fake, "/a", base=f"{fake.url}/copy/").values()
    assert isinstance(answer, PageResponse)
    assert answer.path == "/b/"


@pytest.mark.parametrize("target", ["/a\nb", "/\0", f"/{'x' * 70_000}"])
def test_a_path_that_makes_no_address_is_the_error_of_one_article(fake, target):
    answers = ask(fake, target, "/b")
    bad = answers[target]
    assert isinstance(bad, PageError)
    assert bad.kind == "bad_url"
    assert isinstance(answers["/b"], PageResponse)


def test_a_path_of_any_letters_is_asked_for(fake):
    answers = ask(fake, "/article/1/café x/?q=ü%20", "/article/1/../../b")
    assert all(isinstance(answer, PageResponse) for answer in answers.values())
    assert sorted(fake.paths) == ["/article/1/caf%C3%A9%20x/?q=%C3%BC%20", "/b"]


def test_the_rate_counts_redirects_and_repetitions_too(fake):
    fake.behaviours = {"/a": [to("/b")], "/c": [page(status=503), page()]}
    began = time.monotonic()
    ask(fake, "/a", "/c", "/d", "/e", "/f", requests_per_second=20, concurrent_requests=4)
    times = sorted(at for _, at in fake.requests)
    assert len(times) == 7
    for number, at in enumerate(times, 1):  # the first waits, too
        assert at - began > number / 20 * 0.98


def test_the_rate_has_no_bursts_after_a_rest(fake):
    fake.behaviours["/0"] = [page(seconds=0.35)]
    ask(fake, "/0", "/1", "/2", requests_per_second=10)
    times = [at for _, at in fake.requests]
    assert times[2] - times[1] > 0.05


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_requests_are_under_way_than_the_site_bears(fake, limit):
    fake.behaviours = {f"/{n}": [page(seconds=0.03)] for n in range(9)}
    answers = ask(fake, *fake.behaviours, concurrent_requests=limit)
    assert len(answers) == 9
    assert fake.most == limit


def test_answers_come_while_others_are_not_asked_yet(fake):
    asked = []

    def all_questions() -> Iterator[PageRequest]:
        for question in questions(*[f"/{number}" for number in range(50)]):
            asked.append(question)
            yield question

    answers = SiteHook(site(concurrent_requests=2), fake.url).fetch(all_questions())
    next(answers)
    assert len(asked) == 2
    answers.close()  # type: ignore[attr-defined]
    assert len(asked) == 2


def test_a_task_that_is_ended_lets_go_of_the_site(fake):
    class Ended(BaseException):
        pass

    def end(*_: object) -> None:
        raise Ended

    fake.behaviours["/1"] = [page(seconds=2)]
    before = signal.signal(signal.SIGUSR1, end)  # Airflow raises in a handler, too
    timer = threading.Timer(0.4, signal.pthread_kill, [threading.get_ident(), signal.SIGUSR1])
    timer.start()
    began = time.monotonic()
    try:
        with pytest.raises(Ended):
            ask(fake, "/0", "/1", "/2")
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert time.monotonic() - began < 1.5
    assert fake.paths == ["/0", "/1"]


def test_a_site_that_is_down_is_left_alone_after_a_while(monkeypatch, fake):
    monkeypatch.setattr(module, "MAX_REFUSALS", 3)
    for number in range(9):
        fake.behaviours[f"/{number}"] = [page(status=503)]
    fake.behaviours["/1"] = [page(status=404)]  # an answer
    answers = ask(fake, *fake.behaviours, attempts=1)
    kinds = [answer.kind for answer in answers.values() if isinstance(answer, PageError)]
    assert kinds == ["http_status", "not_found", *["http_status"] * 3, *["not_asked"] * 4]
    assert len(fake.requests) == 5


def test_nothing_is_asked_about_nothing(fake):
    assert ask(fake) == {}
    assert fake.requests == []


def test_a_proxy_that_is_none_is_named(fake, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "nonsense://127.0.0.1")
    with pytest.raises(SettingsError, match="HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is not the URL of a proxy"):
        ask(fake, "/a")
