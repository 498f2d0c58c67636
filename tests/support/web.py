"""A web server that serves files and misbehaves as a test says, and files for it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import httpx
import pytest

Handler = BaseHTTPRequestHandler
Fault = Callable[[Handler], None]


@dataclass
class Web:
    """Serves `files` by path; each of the `faults` of a method and path is its answer once, before that."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[tuple[str, str], list[Fault]] = field(default_factory=dict)
    always: dict[tuple[str, str], Fault] = field(default_factory=dict)
    """Answers for ever."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and address, with query."""
    ranges: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def fail(self, path: str, *faults: Fault, methods: tuple[str, ...] = ("GET",)) -> None:
        """Answer the next requests so."""
        for method in methods:
            self.faults.setdefault((method, path), []).extend(faults)

    def hang(self, handler: Handler) -> None:
        """Never answer."""
        self.over.wait(20)
        handler.close_connection = True


def status(code: int, **headers: str) -> Fault:
    """Answer with a status and no content."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if code >= 200 and "Content_Length" not in headers:
            handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def content(body: bytes, length: int | None, *, encoding: str = "") -> Fault:
    """Answer 200 with this length (`None`: not told), send *body*, and close the connection."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        if encoding:
            handler.send_header("Content-Encoding", encoding)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return answer


def chunked(body: bytes, *, whole: bool = True) -> Fault:
    """Answer 200 in chunks; if not *whole*, without the last one."""

    def answer(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(body), 65_536):
            part = body[start : start + 65_536]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        if whole:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    return answer


@contextmanager
def serving() -> Iterator[Web]:
    """Start the server on a free port."""

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            web.requests.append((self.command, self.path))
            if "Range" in self.headers:
                web.ranges.append(self.headers["Range"])
            path = self.path.partition("?")[0]
            if faults := web.faults.get((self.command, path)):
                faults.pop(0)(self)
            elif fault := web.always.get((self.command, path)):
                fault(self)
            elif (body := web.files.get(path)) is None:
                status(404)(self)
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", f'"{hash(body)}"')
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

        def do_GET(self) -> None:
            self._answer()

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # clients go away, here on purpose

    server = Quiet(("127.0.0.1", 0), Server)
    web = Web(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        web.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def web() -> Iterator[Web]:
    """Yield a web server of the test's own."""
    with serving() as web:
        yield web


@pytest.fixture(scope="module")
def web_client() -> Iterator[httpx.Client]:
    """Yield a client with short timeouts."""
    with httpx.Client(timeout=0.3, follow_redirects=True, trust_env=False) as client:
        yield client


def parquet(rows: int = 3, seed: int = 0) -> bytes:
    """Return a Parquet file of about eight bytes a row."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = BytesIO()
    numbers = np.random.default_rng(seed).integers(0, 2**63, rows)
    pq.write_table(pa.table({"number": numbers}), file, use_dictionary=False)
    return file.getvalue()
