"""The bound on passwords that are checked at a time."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from quartet.api.common.sign_in import PATHS, SignInLimit

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Run the tests on asyncio, as the server does."""
    return "asyncio"


class Server:
    """A server whose routes wait until `released` is set, and count the requests that are worked on."""

    def __init__(self, **bounds: float) -> None:
        self.released = asyncio.Event()
        self.bodies: list[bytes] = []

        async def check(request: Request) -> PlainTextResponse:
            self.bodies.append(await request.body())
            await self.released.wait()
            return PlainTextResponse("token")

        self.app = Starlette(routes=[Route(path, check, methods=["GET", "POST"]) for path in [*PATHS, "/other"]])
        self.app.add_middleware(SignInLimit, **bounds)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://test")

    async def posts(self, count: int, path: str = "/auth/token") -> list[asyncio.Task[httpx.Response]]:
        """Post, and wait until all are worked on, wait, or are answered."""
        tasks = [asyncio.create_task(self.client.post(path, content=b"x")) for _ in range(count)]
        for _ in range(20):
            await asyncio.sleep(0)
        return tasks


@pytest.mark.parametrize("path", [*PATHS, "/auth/login/"])
async def test_some_are_checked_some_wait_and_the_others_are_told(path):
    server = Server(slots=2, max_waiting=3, max_seconds=30)
    tasks = await server.posts(9, path.rstrip("/"))
    assert len(server.bodies) == 2
    rejected = [await task for task in tasks if task.done()]
    assert [each.status_code for each in rejected] == [503] * 4
    assert {each.headers["Retry-After"] for each in rejected} == {"5"}
    assert "passwords" in rejected[0].json()["detail"]
    server.released.set()
    answered = [await task for task in tasks]
    assert sorted(each.status_code for each in answered) == [200] * 5 + [503] * 4
    assert server.bodies == [b"x"] * 5
    assert [(await task).status_code for task in await server.posts(2)] == [200, 200]


async def test_nobody_waits_without_end():
    server = Server(slots=1, max_waiting=3, max_seconds=0.01)
    first, second = await server.posts(2)
    assert (await second).status_code == 503
    server.released.set()
    assert (await first).status_code == 200


async def test_other_requests_are_not_counted():
    server = Server(slots=1, max_waiting=1, max_seconds=30)
    await server.posts(1)
    others = await server.posts(3, "/other")
    gets = [asyncio.create_task(server.client.get("/auth/token")) for _ in range(3)]
    server.released.set()
    assert [(await task).status_code for task in [*others, *gets]] == [200] * 6


async def test_a_slow_client_holds_no_slot():
    server = Server(slots=1, max_waiting=1, max_seconds=30)
    server.released.set()
    more = asyncio.Event()

    async def body():
        yield b"x"
        await more.wait()
        yield b"y"

    slow = asyncio.create_task(server.client.post("/auth/token", content=body()))
    [quick] = await server.posts(1)
    assert (await quick).status_code == 200
    more.set()
    assert (await slow).status_code == 200
