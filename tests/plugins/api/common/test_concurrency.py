"""The bound on concurrent requests: an app that hangs leaves the server to the others, and says that it is busy."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from importlib import import_module

import httpx
import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from include.workflows import WORKFLOWS
from quartet.api.common.concurrency import RequestSlots, limited
from quartet.api.common.docs import documented_app
from quartet.api.common.errors import install_error_handlers

pytestmark = pytest.mark.anyio
SERVER_THREADS = 40
"""Threads that Starlette runs plain functions in."""


class Hanging:
    """Routes that wait until `released` is set, as they do for a database that has stopped answering."""

    def __init__(self, slots: RequestSlots) -> None:
        self.released = threading.Event()
        self.app = FastAPI(dependencies=[Depends(slots, scope="function")])
        install_error_handlers(self.app)
        self.app.get("/hang")(self.hang)

    def hang(self) -> str:
        """Answer late."""
        assert self.released.wait(30)
        return "done"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Run the tests on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture
def hanging(request: pytest.FixtureRequest) -> Iterator[Hanging]:
    """Yield a hanging app with the bounds of the test."""
    found = Hanging(RequestSlots(**request.param))
    yield found
    found.released.set()


def client(app: FastAPI) -> httpx.AsyncClient:
    """Return a client of an app in this process."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", timeout=30)


@pytest.mark.parametrize("hanging", [{"slots": 8, "max_waiting": 200, "max_seconds": 0.3}], indirect=True)
async def test_an_app_that_hangs_leaves_threads_to_others(hanging: Hanging):
    server = FastAPI()
    server.mount("/hanging", hanging.app)

    @server.get("/version")
    def version() -> str:
        return "3.3"

    async with client(server) as http:
        calls = [asyncio.ensure_future(http.get("/hanging/hang")) for _ in range(2 * SERVER_THREADS)]
        await asyncio.sleep(0.1)
        assert (await asyncio.wait_for(http.get("/version"), 5)).json() == "3.3"
        rejected = await asyncio.gather(*calls[8:])
        assert {each.status_code for each in rejected} == {503}
        assert {each.headers["Retry-After"] for each in rejected} == {"5"}
        assert "too many requests" in rejected[0].json()["detail"]
        hanging.released.set()
        assert [each.json() for each in await asyncio.gather(*calls[:8])] == ["done"] * 8


@pytest.mark.parametrize("hanging", [{"slots": 2, "max_waiting": 3, "max_seconds": 30}], indirect=True)
async def test_beyond_those_that_may_wait_a_request_is_rejected_at_once(hanging: Hanging):
    async with client(hanging.app) as http:
        calls = [asyncio.ensure_future(http.get("/hang")) for _ in range(5)]
        await asyncio.sleep(0.1)
        assert (await asyncio.wait_for(http.get("/hang"), 5)).status_code == 503
        hanging.released.set()
        assert [each.status_code for each in await asyncio.gather(*calls)] == [200] * 5, "those that waited are served"
        assert (await http.get("/hang")).status_code == 200, "and all slots are free again"


async def test_a_slow_reader_of_a_long_response_holds_no_slot():
    app, go_on = (
        FastAPI(dependencies=[Depends(RequestSlots(slots=1, max_seconds=1), scope="function")]),
        asyncio.Event(),
    )

    @app.get("/long")
    async def long() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"first"
            await go_on.wait()
            yield b"last"

        return StreamingResponse(body())

    @app.get("/short")
    async def short() -> str:
        return "short"

    async with client(app) as http:
        call = asyncio.ensure_future(http.get("/long"))
        await asyncio.sleep(0.1)
        assert (await http.get("/short")).json() == "short"
        go_on.set()
        assert (await call).text == "firstlast"


def test_the_slots_of_all_apps_leave_threads_to_airflow():
    apps = [import_module(f"quartet.api.{each.name}.app").create_app() for each in WORKFLOWS]
    routes = [route for app in apps for route in app.routes if isinstance(route, APIRoute)]
    first = [dependency.call for route in routes for dependency in route.dependant.dependencies[:1]]
    slots = {each for each in first if isinstance(each, RequestSlots)}
    assert sum(each.slots for each in slots) <= SERVER_THREADS // 2 + 4
    bounded = {"ratings", "audience", "songs"}  # the service of the articles has threads of its own
    assert len(slots) == len(bounded), "each app has slots of its own"


def test_each_app_gets_its_own_slots():
    one, two = limited(), limited()
    assert one.dependency is not two.dependency
    assert documented_app("test", None, dependencies=[one]).router.dependencies == [one]
