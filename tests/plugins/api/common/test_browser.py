import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from quartet.api.common.browser import PagesForBrowsers

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def client() -> TestClient:
    api = Starlette(
        routes=[Route("/days/{day}", lambda _: JSONResponse({})), Route("/other", lambda _: JSONResponse({}))]
    )
    api.add_middleware(PagesForBrowsers, pages={r"/days/(?P<day>[^/]+)": "/songs/days/{day}"})
    server = Starlette(routes=[Mount("/air/songs", api), Mount("/songs", api)])
    return TestClient(server, follow_redirects=False)


def test_a_browser_is_sent_to_the_page(client: TestClient):
    answer = client.get("/songs/days/2019-02-08?a=1&a=2", headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/quartet/songs/days/2019-02-08?a=1&a=2")
    assert answer.headers["vary"] == "Accept"


def test_the_prefix_of_airflow_is_kept(client: TestClient):
    assert client.get("/air/songs/days/x", headers=BROWSER).headers["location"] == "/air/quartet/songs/days/x"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.5", ""])
def test_other_clients_get_json(client: TestClient, accept: str):
    answer = client.get("/songs/days/x", headers={"Accept": accept})
    assert (answer.status_code, answer.json(), answer.headers["vary"]) == (200, {}, "Accept")


def test_people_can_ask_for_json(client: TestClient):
    assert client.get("/songs/days/x?format=json", headers=BROWSER).json() == {}


def test_other_addresses_and_methods_are_passed_on(client: TestClient):
    assert client.get("/songs/other", headers=BROWSER).json() == {}
    assert client.post("/songs/days/x", headers=BROWSER).status_code == 405


def test_a_line_break_in_a_path_cannot_add_a_header(client: TestClient):
    answer = client.get("/songs/days/x%0D%0ASet-Cookie:a=b", headers=BROWSER)
    assert "set-cookie" not in answer.headers
