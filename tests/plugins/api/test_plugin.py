"""The plugin as Airflow sees it: cheap to load, apps mounted, foreign host names refused."""

import json
import os
import subprocess
import sys

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from include.core.errors import SettingsError
from include.workflows import WORKFLOWS
from quartet_plugin import QuartetPlugin
from tests.plugins.api.conftest import ROOT
from tests.support.api_client import Client

PREFIXES = [*(f"/{workflow.name}" for workflow in WORKFLOWS), "/quartet"]
LOAD = """
import json, sys
import airflow.sdk
from airflow import plugins_manager
before = set(sys.modules)
plugins, errors = plugins_manager._get_plugins()
found = [plugin.name for plugin in plugins]
loaded = set(sys.modules) - before
import quartet.hooks.airflow_api
hook = set(sys.modules) - before - loaded
print(json.dumps([found, errors, *({name.split(".")[0] for name in names} for names in (loaded, hook))], default=list))
"""


def test_what_all_components_load_is_cheap():
    """Each task, the scheduler and all others load the plugin, and need no web app; tasks load the hook."""
    environment = os.environ | {
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")]),
    }
    done = subprocess.run([sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, check=True)
    found, errors, loaded, hook = json.loads(done.stdout.splitlines()[-1])
    assert (found, errors) == (["quartet"], {})
    assert set(loaded) <= {"airflow", "quartet_plugin"}
    assert set(hook) <= {"airflow", "quartet"}


def test_each_app_is_a_fastapi_app_of_its_own():
    """Of other kinds Airflow would not run the lifespan."""
    plugin = QuartetPlugin()
    prefixes = [app["url_prefix"] for app in plugin.fastapi_apps]
    assert prefixes == PREFIXES
    assert all(isinstance(app["app"], FastAPI) for app in plugin.fastapi_apps)
    assert plugin.fastapi_apps is plugin.fastapi_apps


def test_airflow_tells_what_the_plugin_brings(airflow: Client):
    plugins = airflow.get("/api/v2/plugins", headers=airflow.as_user("admin")).json()["plugins"]
    [ours] = [plugin for plugin in plugins if plugin["name"] == "quartet"]
    assert [app["url_prefix"] for app in ours["fastapi_apps"]] == PREFIXES
    assert [(view["href"], view["destination"]) for view in ours["external_views"]] == [("/quartet/", "nav")]
    assert [each["name"] for each in ours["fastapi_root_middlewares"]] == [
        "Sign-in limit", "Body limit of tasks", "Body limit", "Allowed hosts",
    ]  # fmt: skip


def test_the_documentation_of_each_app_is_public(airflow: Client):
    airflow.cookies.clear()
    for app in QuartetPlugin().fastapi_apps:
        assert airflow.get(f"{app['url_prefix']}/docs").status_code == 200
        assert airflow.get(f"{app['url_prefix']}/openapi.json").json()["paths"]


@pytest.mark.parametrize("path", ["/", "/api/v2/monitor/health", *(f"/{workflow.name}/docs" for workflow in WORKFLOWS)])
def test_foreign_host_names_are_refused_everywhere(airflow: Client, path: str):
    for host in ["evil.example", "localhost.evil.example", "localhost:8080@evil.example", "8.8.8.8", ""]:
        assert airflow.get(path, headers={"Host": host}).status_code == 400
    for host in ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080"]:
        assert airflow.get(path, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        ("*", "anything.example", 200),
        ("*.example", "a.example", 200),
        ("*.example", "example.com", 400),
        ("example.com", "www.example.com", 400),
        ("www.example.com", "example.com", 400),
    ],
)
def test_the_allowed_hosts_are_a_setting(monkeypatch, allowed, host, status):
    monkeypatch.setenv("QUARTET_ALLOWED_HOSTS", allowed)
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("hello"))])
    for each in QuartetPlugin().fastapi_root_middlewares:
        app.add_middleware(each["middleware"], *each["args"], **each["kwargs"])
    answer = TestClient(app).get("/", headers={"Host": host}, follow_redirects=False)
    assert answer.status_code == status


@pytest.mark.parametrize("allowed", ["quartet.example.org", "127.0.0.1,localhost", "*"])
def test_probes_and_tasks_reach_the_server_by_its_address_whatever_is_allowed(monkeypatch, allowed):
    monkeypatch.setenv("QUARTET_ALLOWED_HOSTS", allowed)
    client = guarded()
    for host in ("127.0.0.1:8080", "localhost"):
        assert client.get("/", headers={"Host": host}).status_code == 200


def guarded() -> TestClient:
    """Return a client of a server behind the middleware, whose routes return the size of a body."""

    async def size(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    paths = ["/", "/auth/token", "/execution/xcoms", "/ratings/train"]
    app = Starlette(routes=[Route(path, size, methods=["GET", "POST"]) for path in paths])
    for each in QuartetPlugin().fastapi_root_middlewares:
        app.add_middleware(each["middleware"], *each["args"], **each["kwargs"])
    return TestClient(app, base_url="http://127.0.0.1:8080")


@pytest.mark.parametrize(
    ("path", "megabytes", "status"),
    [
        ("/auth/token", 15, 200),
        ("/auth/token", 17, 413),
        ("/execution/xcoms", 63, 200),
        ("/execution/xcoms", 65, 413),
        ("/ratings/train", 17, 200),  # the app has a limit of its own
    ],
)
def test_bodies_to_airflows_own_routes_are_limited(path, megabytes, status):
    def parts():  # without a declared length
        for _ in range(megabytes):
            yield b"x" * (1 << 20)

    assert guarded().post(path, content=parts()).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:8080"}, 200),
        ({"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9000"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_where_nobody_signs_in_pages_of_other_sites_may_only_read(monkeypatch, headers, status):
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
    client = guarded()
    assert client.post("/auth/token", headers=headers).status_code == status
    assert client.get("/auth/token", headers=headers).status_code == 200
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "False")
    assert guarded().post("/auth/token", headers=headers).status_code == 200


def test_a_wrong_setting_stops_the_server(monkeypatch):
    monkeypatch.setenv("QUARTET_PORT", "eighty")
    with pytest.raises(SettingsError, match="QUARTET_PORT='eighty' is not allowed"):
        _ = QuartetPlugin().fastapi_root_middlewares
