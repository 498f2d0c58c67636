"""Every route of every app that the plugin mounts is guarded, and the guard does what the route declares.

A new route needs a line in `tests/plugins/api/<workflow>/examples.py`: how a valid call looks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount

from include.workflows import WORKFLOWS
from quartet.api.common.auth import PUBLIC, Access, Guard, Public, may_read, may_run
from quartet_plugin import QuartetPlugin
from tests.support.api_client import Client
from tests.support.example import Example

NAMES = [*(workflow.name for workflow in WORKFLOWS), "quartet"]
EXAMPLES: dict[str, Example] = {
    call: example
    for name in ("pages", *(f"api.{name}" for name in NAMES))
    for call, example in import_module(f"tests.plugins.{name}.examples").EXAMPLES.items()
}
"""App and route as declared → what to put into the body, the path and the query."""

DOCUMENTATION = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc", "/static-offline-docs"}
"""Paths of an app that are public by design: what the API looks like, and the files of that page."""
STATIC = "/static"
"""Scripts and styles of the pages, which are public, too."""


def accesses(route: BaseRoute) -> set[Access]:
    """Return what a route declares, on itself, its router or its app; two READs of two DAGs count as one."""
    return set(_declared(route.dependant)) if isinstance(route, APIRoute) else set()


def _declared(dependant: Dependant) -> Iterator[Access]:
    if isinstance(dependant.call, Guard | Public):
        yield dependant.call.access
    for each in dependant.dependencies:
        yield from _declared(each)


@dataclass(frozen=True)
class Call:
    """A route of a mounted app, as its callers see it."""

    name: str
    route: APIRoute
    method: str
    prefix: str

    @property
    def example(self) -> Example:
        """The registered example; its absence fails the test with what to do."""
        assert self.name in EXAMPLES, (
            f"{self.name} has no example: add a line `{self.name!r}: Example(…)` with a valid body, path and query "
            f"to EXAMPLES in tests/plugins/api{self.prefix}/examples.py"
        )
        return EXAMPLES[self.name]

    def made(self, client: Client, headers: dict[str, str] | None = None) -> int:
        """Send the request; return the status of the response."""
        example = self.example
        url = self.prefix + self.route.path_format.format(**example.path)
        if example.form is not None:
            headers = {**(headers or {}), "HX-Request": "true"}
        answer = client.request(
            self.method, url, json=example.body, data=example.form, params=example.query, headers=headers
        )
        return answer.status_code


def mounted_routes() -> Iterator[tuple[str, BaseRoute]]:
    """Walk all routes of all apps of the plugin, and of the apps in them; another mount would be one of the routes."""
    for mount in QuartetPlugin().fastapi_apps:
        for route in mount["app"].routes:
            if isinstance(route, Mount) and isinstance(route.app, FastAPI):
                yield from ((mount["url_prefix"] + route.path, inner) for inner in route.app.routes)
            else:
                yield mount["url_prefix"], route


ROUTES = list(mounted_routes())
CALLS = [
    Call(f"{method} {prefix}{route.path_format}", route, method, prefix)
    for prefix, route in ROUTES
    if isinstance(route, APIRoute) and route.path not in DOCUMENTATION
    for method in sorted(route.methods)
]
each_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)


def test_all_routes_are_known_in_kind():
    """A mount, a web socket or a bare route would have no guard: only documentation and static files may be one."""
    odd = [route for _, route in ROUTES if not isinstance(route, APIRoute)]
    assert {getattr(route, "path", repr(route)) for route in odd} <= {*DOCUMENTATION, STATIC}


@pytest.mark.parametrize("path", [f"/{name}/{page}" for name in NAMES for page in ("docs", "redoc")])
def test_the_documentation_needs_no_internet(airflow: Client, path: str):
    page = airflow.get(path).text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses
    for address in addresses:
        assert airflow.get(address).status_code == 200, address


@each_call
def test_a_route_declares_one_access(call: Call):
    found = accesses(call.route)
    assert len(found) == 1, (
        f"{call.name} declares {found or 'no access'}: give it exactly one of "
        "`dependencies=[may_read(dag_id)]`, `[may_run(dag_id)]`, `[SIGNED_IN]` or `[PUBLIC]` (quartet.api.common.auth)"
    )


@each_call
def test_without_a_token_only_public_routes_answer(call: Call, airflow: Client):
    airflow.cookies.clear()
    status = call.made(airflow)
    if accesses(call.route) == {Access.PUBLIC}:
        assert status < 400
    else:
        assert status == 401


@each_call
def test_a_viewer_reads_and_does_not_write(call: Call, airflow: Client):
    status = call.made(airflow, airflow.as_user("viewer"))
    if accesses(call.route) == {Access.WRITE}:
        assert status == 403
    else:
        assert status not in (401, 403)
        assert status < 500
        assert status != 422, "the example is not valid"


def test_examples_have_routes():
    """An example whose route is gone guards nothing."""
    assert set(EXAMPLES) <= {call.name for call in CALLS}


def test_the_walk_sees_guards_wherever_they_are_declared():
    app = FastAPI(dependencies=[may_read("a")])
    router = APIRouter(dependencies=[may_run("b")])

    @router.get("/x")
    def x() -> None: ...

    @app.get("/y", dependencies=[PUBLIC])
    def y() -> None: ...

    app.include_router(router)
    bare = FastAPI()
    bare.get("/z")(y)
    found = {
        route.path: sorted(accesses(route)) for route in [*app.routes, *bare.routes] if isinstance(route, APIRoute)
    }
    assert found == {"/x": ["read", "write"], "/y": ["public", "read"], "/z": []}
