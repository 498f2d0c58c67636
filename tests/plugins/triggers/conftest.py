"""A web server whose answers a test chooses."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Web:
    """Answers each path with `answers[method, path]`, else `answers["*", path]`: a status and headers."""

    url: str
    answers: dict[tuple[str, str], tuple[int, dict[str, str]]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def web() -> Iterator[Web]:
    """Start the server on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            web.requests.append((self.command, self.path))
            path = self.path.partition("?")[0]
            status, headers = web.answers.get((self.command, path)) or web.answers.get(("*", path), (404, {}))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        do_GET = do_HEAD = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web = Web(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield web
    server.shutdown()
    thread.join()
    server.server_close()
