"""Every role on every route, with the auth manager, the accounts and the login pages of production."""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from quartet.api.common.auth import Access
from quartet.hooks import airflow_api
from quartet.hooks.airflow_api import AirflowApiHook
from tests.plugins.api.conftest import DAGS
from tests.plugins.api.test_authorisation import CALLS, Call, accesses
from tests.support.fab_server import ADMIN, JWT_SECRET, LOCKED, SERVICE, FabServer, password

MAY: dict[str, set[Access]] = {
    # Airflow's own roles: to start a run takes "can edit" of the DAG and "can create" of its runs, which User has too
    ADMIN: {Access.SIGNED_IN, Access.READ, Access.WRITE},
    "op": {Access.SIGNED_IN, Access.READ, Access.WRITE},
    "user": {Access.SIGNED_IN, Access.READ, Access.WRITE},
    "viewer": {Access.SIGNED_IN, Access.READ},
    "nobody": {Access.SIGNED_IN},
    SERVICE: {Access.SIGNED_IN},
}
READS, WRITES = "/ratings/commits", "/ratings/train"
RATINGS = {"data": ["244 346 2 880606923"]}
RUNS = "/api/v2/dags/ratings_train/dagRuns"

each_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)


@pytest.fixture(scope="module")
def fab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabServer]:
    """Airflow's API server with FAB."""
    server = FabServer(tmp_path_factory.mktemp("fab"), DAGS)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def made(call: Call, fab: FabServer, headers: dict[str, str] | None = None) -> int:
    """Send a request without cookies; return the status of the response."""
    fab.client.cookies.clear()
    return call.made(fab.client, headers)  # pyright: ignore[reportArgumentType]


@each_call
def test_without_a_token_only_public_routes_answer(call: Call, fab: FabServer):
    status = made(call, fab)
    assert status < 400 if accesses(call.route) == {Access.PUBLIC} else status == 401


def test_of_airflows_own_routes_four_answer_without_a_token(fab: FabServer):
    routes = fab.request("GET", "/openapi.json").raise_for_status().json()["paths"]
    calls = [(method.upper(), path) for path, methods in routes.items() for method in methods]
    assert len(calls) > 100
    answers = {call: fab.request(call[0], re.sub(r"{[^}]*}", "x", call[1])).status_code for call in calls}
    assert {call: status for call, status in answers.items() if status != 401} == {
        ("GET", "/api/v2/monitor/health"): 200,
        ("GET", "/api/v2/version"): 200,
        ("GET", "/api/v2/auth/login"): 307,
        ("GET", "/api/v2/auth/logout"): 307,
    }


@each_call
@pytest.mark.parametrize("user", MAY)
def test_a_role_may_do_what_it_should_and_no_more(user: str, call: Call, fab: FabServer):
    status = made(call, fab, fab.as_user(user))
    if accesses(call.route) <= MAY[user] | {Access.PUBLIC}:
        assert status < 500
        assert status not in (401, 403, 422)
    else:
        assert status == 403


@pytest.mark.parametrize(
    ("user", "may"),
    [
        ("listener", {"GET /songs/days": True, "GET /ratings/commits": False, "GET /audience/api/tasks/": False}),
        ("trainer", {"GET /ratings/commits": True, "POST /ratings/train": True, "POST /ratings/predict": False}),
        ("trainer", {"GET /songs/days": False, "POST /audience/api/tasks/": False, "GET /articles/recs": True}),
    ],
)
def test_rights_on_one_dag_reach_its_routes_only(user: str, may: dict[str, bool], fab: FabServer):
    calls = {call.name: call for call in CALLS}
    assert {name: made(calls[name], fab, fab.as_user(user)) != 403 for name in may} == may


def forged(fab: FabServer, key: str = JWT_SECRET, algorithm: str = "HS512", **claims: Any) -> str:
    """Return the administrator's token with changed claims and a new signature."""
    honest = jwt.decode(fab.token(ADMIN), options={"verify_signature": False})
    return jwt.encode(honest | claims, key, algorithm=algorithm)


def outcomes(fab: FabServer, token: str) -> tuple[int, int, int]:
    """Return the statuses with which a reading route, a writing route and Airflow's own API answer to a token."""
    headers = {"Authorization": f"Bearer {token}"}
    return (
        fab.request("GET", READS, headers=headers).status_code,
        fab.request("POST", WRITES, headers=headers, json=RATINGS).status_code,
        fab.request("GET", "/api/v2/connections", headers=headers).status_code,
    )


OPEN = (200, 200, 200)
EXPIRED = (401, 401, 401)
INVALID = (403, 403, 403)  # Airflow's word for a token that it cannot trust


def test_a_token_of_the_administrator_opens_all(fab: FabServer):
    assert outcomes(fab, forged(fab)) == OPEN


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"exp": int(time.time()) - 60}, EXPIRED),
        ({"key": "another" * 12}, INVALID),
        ({"key": "", "algorithm": "none"}, INVALID),
        ({"sub": "4711"}, INVALID),
        ({"nbf": int(time.time()) + 3600}, INVALID),
        ({"aud": "urn:airflow.apache.org:task"}, INVALID),
    ],
    ids=["expired", "signed by another", "not signed", "of nobody", "not yet valid", "for another audience"],
)
def test_a_token_that_is_not_right_opens_nothing(change: dict[str, Any], answer: tuple[int, ...], fab: FabServer):
    assert outcomes(fab, forged(fab, **change)) == answer


def test_a_viewer_cannot_turn_into_the_administrator(fab: FabServer):
    head, _, signature = fab.token("viewer").split(".")
    assert outcomes(fab, ".".join([head, fab.token(ADMIN).split(".")[1], signature])) == INVALID


@pytest.mark.parametrize("token", ["x", "a.b.c"])
def test_what_is_no_token_opens_nothing(token: str, fab: FabServer):
    assert outcomes(fab, token) == INVALID


@pytest.mark.parametrize(
    ("user", "secret"),
    [("viewer", "wrong"), ("viewer", ""), ("nobody at all", "x"), (LOCKED, password(LOCKED)), (ADMIN, "admin")],
)
def test_a_login_that_is_not_right_gives_no_token(user: str, secret: str, fab: FabServer):
    answer = fab.login(user, secret)
    assert answer.status_code == (401 if secret else 400)
    assert "access_token" not in answer.text


def test_a_user_who_is_locked_is_out_within_seconds(fab: FabServer):
    token = fab.token("leaver")
    assert outcomes(fab, token) == (200, 200, 403)  # a User does not see connections
    fab.lock("leaver")
    time.sleep(1.5)  # the server of this test remembers a user for one second ([fab] cache_ttl), not for 30
    assert outcomes(fab, token) == INVALID
    assert fab.login("leaver").status_code == 401


def test_a_token_ends_with_the_sign_out(fab: FabServer):
    token = fab.login(ADMIN).json()["access_token"]
    assert outcomes(fab, token) == OPEN
    fab.request("GET", "/api/v2/auth/logout", headers={"Authorization": f"Bearer {token}"})
    assert outcomes(fab, token) == INVALID
    assert outcomes(fab, fab.token(ADMIN)) == OPEN  # another token of the same user


def started(fab: FabServer) -> str:
    answer = fab.request("POST", RUNS, headers=fab.as_user(ADMIN), json={"logical_date": None})
    return answer.raise_for_status().json()["dag_run_id"]


def test_the_service_user_sets_the_note_of_a_run(fab: FabServer, monkeypatch: pytest.MonkeyPatch):
    run_id = started(fab)
    monkeypatch.setattr(airflow_api, "_tokens", {})
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", fab.url)
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_API", fab.environment["AIRFLOW_CONN_QUARTET_API"])
    assert AirflowApiHook().note(("ratings_train", run_id), "3 files, 7 rows")
    run = fab.request("GET", f"{RUNS}/{run_id}", headers=fab.as_user(ADMIN)).json()
    assert (run["note"], run["state"]) == ("3 files, 7 rows", "queued")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", RUNS, None),
        ("POST", RUNS, {"logical_date": None}),
        ("GET", "/api/v2/dags", None),
        ("GET", "/api/v2/dags/ratings_train", None),
        ("DELETE", "/api/v2/dags/song_plays", None),
        ("GET", "/api/v2/connections", None),
        ("POST", "/api/v2/connections", {"connection_id": "mine", "conn_type": "http"}),
        ("GET", "/api/v2/variables", None),
        ("POST", "/api/v2/variables", {"key": "mine", "value": "1"}),
        ("POST", "/api/v2/pools", {"name": "mine", "slots": 1}),
        ("GET", "/api/v2/config", None),
        ("GET", "/api/v2/eventLogs", None),
        ("POST", "/api/v2/backfills", {"dag_id": "song_plays", "from_date": "2026-01-01", "to_date": "2026-01-02"}),
        ("POST", "/api/v2/assets/events", {"asset_id": 1}),
        ("GET", f"{RUNS}/~/taskInstances", None),
        ("GET", "/auth/fab/v1/users", None),
        ("GET", "/auth/fab/v1/roles", None),
        ("PATCH", f"/auth/fab/v1/users/{SERVICE}", {"roles": [{"name": "Admin"}]}),
    ],
)
def test_the_service_user_may_do_nothing_else(method: str, path: str, body: Any, fab: FabServer):
    assert fab.request(method, path, headers=fab.as_user(SERVICE), json=body).status_code == 403


def test_what_comes_with_the_right_to_set_a_note(fab: FabServer):
    """Airflow has no finer right; docs/security.md tells."""
    run_id, headers = started(fab), fab.as_user(SERVICE)
    run, dag = f"{RUNS}/{run_id}", "/api/v2/dags/ratings_train"
    assert fab.request("PATCH", run, headers=headers, json={"state": "failed"}).json()["state"] == "failed"
    assert fab.request("PATCH", dag, headers=headers, json={"is_paused": True}).json()["is_paused"] is True
    assert fab.request("PATCH", dag, headers=headers, json={"is_paused": False}).json()["is_paused"] is False
    assert fab.request("DELETE", run, headers=headers).status_code == 403


def csrf(page: httpx.Response) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.raise_for_status().text)
    assert found, page.text
    return found[1]


def sign_in(browser: httpx.Client, user: str, secret: str | None = None, **form: str) -> httpx.Response:
    token = {"csrf_token": csrf(browser.get("/auth/login/"))}
    given = {"username": user, "password": password(user) if secret is None else secret}
    return browser.post("/auth/login/", data=token | given | form)


def cookie(answer: httpx.Response, name: str) -> set[str]:
    """Return the flags of a cookie that a response sets, in lower case."""
    [line] = [each for each in answer.headers.get_list("set-cookie") if each.startswith(f"{name}=")]
    return {part.strip().lower() for part in line.split(";")[1:]}


def test_a_browser_signs_in_and_gets_cookies_that_no_script_reads(fab: FabServer):
    with fab.browser("192.0.2.1") as browser:
        answer = sign_in(browser, "viewer")
        assert answer.status_code == 302
        assert {"httponly", "samesite=lax"} <= cookie(answer, "session")
        home = browser.get(answer.headers["location"])
        assert {"httponly", "samesite=lax"} <= cookie(home, "_token")
        # plain http on this machine itself, so without it
        assert "secure" not in cookie(answer, "session") | cookie(home, "_token")
        assert browser.get(READS).status_code == 200
        assert browser.post(WRITES, json=RATINGS).status_code == 403


def test_behind_a_tls_proxy_the_token_travels_by_https_only(fab: FabServer):
    with fab.browser("192.0.2.2", **{"X-Forwarded-Proto": "https"}) as browser:
        page = browser.get("/auth/login/")
        # what the browser would do with a page that it got by https
        referer = {"Referer": fab.url.replace("http:", "https:") + "/auth/login/"}
        form = {"csrf_token": csrf(page), "username": "viewer", "password": password("viewer")}
        assert browser.post("/auth/login/", data=form, headers=referer).status_code == 302
        assert {"secure", "httponly", "samesite=lax"} <= cookie(browser.get("/auth/"), "_token")


def test_a_form_that_another_site_sends_is_refused(fab: FabServer):
    with fab.browser("192.0.2.3") as browser:
        assert sign_in(browser, "viewer", csrf_token="guessed").status_code == 400
        assert "_token" not in browser.cookies


def test_the_login_page_slows_down_who_guesses(fab: FabServer):
    with fab.browser("192.0.2.4") as browser:
        assert [sign_in(browser, "viewer", f"guess {each}").status_code for each in range(6)] == [302] * 5 + [429]
        assert sign_in(browser, "viewer").status_code == 429
    with fab.browser("192.0.2.5") as another:
        assert sign_in(another, "viewer").status_code == 302


def test_nobody_registers_himself(fab: FabServer):
    assert fab.request("GET", "/auth/register/form").status_code == 404


@pytest.mark.parametrize(
    ("new", "taken"), [("changeme", False), ("Airflow-Airflow-1", False), ("7 swift otters", True)]
)
def test_the_form_for_passwords_refuses_weak_ones(new: str, taken: bool, fab: FabServer):
    with fab.browser(f"192.0.2.{60 + len(new)}") as browser:
        assert sign_in(browser, "changer").status_code == 302
        form = "/auth/resetmypassword/form"
        browser.post(form, data={"csrf_token": csrf(browser.get(form)), "password": new, "conf_password": new})
    assert fab.login("changer", new).status_code == (201 if taken else 401)
