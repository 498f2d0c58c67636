"""The bound on bodies, over real sockets: ordinary clients get to hear of it, whatever they are like."""

import asyncio
import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import requests
import uvicorn
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware

from quartet.api.common.errors import install_error_handlers
from quartet.api.common.limits import BodyLimit

LIMIT = 100_000
DRAIN = 30_000_000
LARGE = 20_000_000
HUGE = 60_000_000
JSON = {"Content-Type": "application/json"}


def app(**bounds: float) -> FastAPI:
    """Build an app with the limit, mounted as Airflow mounts ours: below middleware that wraps the body."""
    inner = FastAPI()
    install_error_handlers(inner)
    inner.add_middleware(BodyLimit, max_bytes=LIMIT, **{"drain_bytes": DRAIN, "drain_seconds": 30, **bounds})

    @inner.post("/length")
    def length(data: list[str]) -> int:
        return len(data)

    @inner.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    async def dispatch(request: Request, call_next):
        return await call_next(request)

    outer = FastAPI()
    outer.mount("/app", inner)
    outer.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    outer.add_middleware(GZipMiddleware, minimum_size=1024)
    return outer


class Server:
    """uvicorn on a free port of 127.0.0.1."""

    def __init__(self, app: FastAPI, http: str) -> None:
        self.server = uvicorn.Server(uvicorn.Config(app, http=http, ws="none", log_level="error", lifespan="off"))
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/app"
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)

    def __enter__(self) -> "Server":
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(10)
        self.socket.close()


@pytest.fixture(scope="module", params=["httptools", "h11"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(app(), request.param) as server:
        yield server


def chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 50_000):
        yield b" " * 50_000


def is_413(answer: httpx.Response | requests.Response) -> bool:
    problem = answer.json()
    return answer.status_code == 413 and problem["errors"] == [] and "100000 bytes" in problem["detail"]


@pytest.mark.parametrize("size", [LIMIT + 1, LARGE])
def test_httpx_sees_the_refusal(server: Server, size: int):
    with httpx.Client() as client:
        assert is_413(client.post(f"{server.url}/length", content=b" " * size, headers=JSON))
        assert client.post(f"{server.url}/length", json=["a"]).json() == 1  # on the same connection


def test_httpx_sees_the_refusal_of_chunks_without_a_length(server: Server):
    with httpx.Client() as client:
        assert is_413(client.post(f"{server.url}/length", content=chunks(LARGE), headers=JSON))
        assert client.post(f"{server.url}/length", json=["a"]).json() == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_requests_sees_the_refusal(server: Server, chunked: bool):
    with requests.Session() as session:
        data = chunks(LARGE) if chunked else b" " * LARGE
        assert is_413(session.post(f"{server.url}/length", data=data, headers=JSON))
        assert session.post(f"{server.url}/length", json=["a"]).json() == 1


@pytest.mark.parametrize("option", ["Expect:", "Expect: 100-continue", "Transfer-Encoding: chunked"])
def test_curl_sees_the_refusal(server: Server, tmp_path: Path, option: str):
    curl = shutil.which("curl")
    assert curl, "curl is needed for this test: apt-get install curl"
    body = tmp_path / "body.json"
    body.write_bytes(b" " * LARGE)
    command = [curl, "-sS", "-w", "\n%{http_code}", "-H", "Content-Type: application/json", "-H", option]
    done = subprocess.run(
        [*command, "--data-binary", f"@{body}", f"{server.url}/length"], capture_output=True, text=True, check=True
    )
    problem, status = done.stdout.splitlines()
    assert (status, json.loads(problem)["errors"], done.stderr) == ("413", [], "")


def test_a_client_that_waits_to_be_asked_is_not_asked(server: Server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(
            b"POST /app/raw HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 200000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_the_limit_itself_is_allowed(server: Server):
    assert httpx.post(f"{server.url}/raw", content=b"x" * LIMIT).json() == LIMIT
    assert httpx.post(f"{server.url}/raw", content=iter([b"x" * (LIMIT - 1), b"x"])).json() == LIMIT
    assert httpx.post(f"{server.url}/raw", content=iter([b"x" * LIMIT, b"x"])).status_code == 413


def test_beyond_the_bound_of_bytes_the_connection_ends():
    with Server(app(drain_bytes=1_000_000), "httptools") as server, httpx.Client() as client:
        try:
            answer = client.post(f"{server.url}/raw", content=b" " * HUGE)
        except httpx.TransportError:
            return  # closed while it was still sending
        assert answer.status_code == 413
        assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("headers", [b"Content-Length: 200000", b"Transfer-Encoding: chunked"])
def test_beyond_the_bound_of_seconds_a_slow_client_is_answered(headers):
    with (
        Server(app(drain_seconds=0.2), "httptools") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as client,
    ):
        client.sendall(b"POST /app/raw HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + b"\r\n\r\n")
        client.sendall(b"186a1\r\n" + b" " * 100_001)  # and there it stays
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert (answer.status, answer.getheader("Connection")) == (413, "close")


def test_what_is_thrown_away_is_not_kept_in_memory(server: Server):
    import resource

    httpx.post(f"{server.url}/raw", content=chunks(1_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        assert httpx.post(f"{server.url}/raw", content=chunks(LARGE)).status_code == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000  # KiB


def test_an_app_that_answers_while_it_reads_is_cut_short():
    """Its status is gone by then; the app hears that its client went away."""
    parts = [{"type": "http.request", "body": b"x" * 6, "more_body": True} for _ in range(5)]
    heard, sent = [], []

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message["type"])

    async def early(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not heard or heard[-1] != "http.disconnect":
            heard.append((await receive())["type"])
        await send({"type": "http.response.body", "body": b""})

    asyncio.run(BodyLimit(early, max_bytes=15)({"type": "http", "path": "/", "headers": []}, receive, send))
    assert heard == ["http.request", "http.request", "http.disconnect"]
    assert sent == ["http.response.start", "http.response.body"]


def test_a_last_message_over_the_limit_does_not_wait_for_more():
    with TestClient(app()) as client:
        assert client.post("/app/raw", content=b" " * (LIMIT + 1)).status_code == 413
        assert client.post("/app/raw", content=iter([b" " * (LIMIT + 1)])).status_code == 413


def test_a_length_that_is_a_lie_does_not_help():
    """The bytes are counted whatever is declared."""
    with TestClient(app()) as client:
        answer = client.post("/app/raw", content=b" " * (LIMIT + 1), headers={"Content-Length": "5"})
        assert answer.status_code == 413
        answer = client.post("/app/raw", content=b"x", headers={"Content-Length": "many"})
        assert answer.status_code == 413


def test_other_protocols_pass():
    with TestClient(BodyLimit(FastAPI(), max_bytes=1)):  # its lifespan
        pass
