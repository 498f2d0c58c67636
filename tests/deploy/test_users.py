"""The accounts of production, created by FAB in a real Airflow database."""

import json
import logging
import runpy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from deploy.production import users
from deploy.production.passwords import weakness
from deploy.production.users import AccountError
from deploy.settings.admin import AdminSettings
from include.core.settings import ROOT

if TYPE_CHECKING:
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

GOOD, OTHER = "correct horse battery", "seven swift otters"


@pytest.fixture(scope="module")
def fab(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[FabAirflowSecurityManagerOverride]":
    """FAB's security manager on a new database; the settings of this process are restored at the end."""
    from airflow import settings
    from airflow.api_fastapi import app
    from airflow.utils.db import initdb

    home = tmp_path_factory.mktemp("fab")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what FAB's libraries warn of while they start is not ours
        for name, value in {
            "AIRFLOW__API__BASE_URL": "http://127.0.0.1:8080",
            "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__FAB__CONFIG_FILE": f"{ROOT}/deploy/production/webserver_config.py",
        }.items():
            patch.setenv(name, value)
        patch.setattr(app._AuthManagerState, "instance", None)  # FAB puts its own there
        settings.configure_vars()
        settings.reconfigure_orm()
        initdb()
        with users.security_manager() as security:
            yield security
    settings.configure_vars()
    settings.reconfigure_orm()


@pytest.fixture
def name(fab, request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the name of a user that is removed at the end."""
    name = request.node.name[:60]
    yield name
    if user := fab.find_user(name):
        fab.del_register_user(user)


def admin(name: str, password: str = GOOD, email: str = "") -> AdminSettings:
    return AdminSettings(user=name, password=SecretStr(password), email=email)


def roles(fab, name: str) -> list[str]:
    return [role.name for role in fab.find_user(name).roles]


def test_the_admin_is_created_once(fab, name: str):
    assert users.ensure_admin(fab, admin(name)) == ["created"]
    user = fab.find_user(name)
    assert (user.active, user.email, roles(fab, name)) == (True, f"{name}@localhost", ["Admin"])
    assert fab.check_password(name, GOOD)
    hashed = user.password
    assert hashed.startswith("scrypt:")
    assert GOOD not in hashed
    assert users.ensure_admin(fab, admin(name)) == []
    assert fab.find_user(name).password == hashed


def test_a_new_password_replaces_the_old_one(fab, name: str):
    users.ensure_admin(fab, admin(name))
    assert users.ensure_admin(fab, admin(name, OTHER)) == ["password"]
    assert fab.check_password(name, OTHER)
    assert not fab.check_password(name, GOOD)


def test_manual_changes_are_reset_to_the_settings(fab, name: str):
    users.ensure_admin(fab, admin(name))
    user = fab.find_user(name)
    user.active, user.roles, user.email = False, [fab.find_role("Viewer")], "x@example.org"
    assert fab.update_user(user)
    assert users.ensure_admin(fab, admin(name, email="me@example.org")) == ["role", "unlocked", "email"]
    user = fab.find_user(name)
    assert (user.active, user.email, roles(fab, name)) == (True, "me@example.org", ["Admin"])


def test_an_address_belongs_to_one_user(fab, name: str):
    users.ensure_admin(fab, admin(name, email="shared@example.org"))
    with pytest.raises(AccountError, match=f"shared@example.org of user 'else' already belongs to user '{name}'"):
        users.ensure_admin(fab, admin("else", email="shared@example.org"))
    assert fab.find_user("else") is None


def test_the_environment_names_the_admin(fab, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QUARTET_ADMIN_USER", name)
    monkeypatch.setenv("QUARTET_ADMIN_PASSWORD", GOOD)
    monkeypatch.setenv("QUARTET_ADMIN_EMAIL", "env@example.org")
    assert users.ensure_admin(fab) == ["created"]
    assert fab.find_user(name).email == "env@example.org"


def test_without_a_password_there_is_no_admin(fab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("QUARTET_ADMIN_PASSWORD", raising=False)
    with pytest.raises(AccountError, match=r"^QUARTET_ADMIN_PASSWORD is not set$"):
        users.ensure_admin(fab)


def test_a_weak_password_is_refused_and_never_shown(fab, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AccountError) as refused:
        users.ensure_admin(fab, admin("newcomer", "Changeme-1234"))
    assert str(refused.value).startswith(
        "QUARTET_ADMIN_PASSWORD is too easy to guess: it consists only of well-known words"
    )
    assert "changeme" not in (str(refused.value) + caplog.text).lower()
    assert fab.find_user("newcomer") is None


def test_no_log_line_has_the_password(fab, name: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    settings = admin(name)
    users.ensure_admin(fab, settings)
    users.ensure_admin(fab, admin(name, OTHER))
    assert f"user {name}: changed password" in caplog.text
    for secret in (GOOD, OTHER):
        assert secret not in caplog.text + repr(settings)


def connect(monkeypatch: pytest.MonkeyPatch, login: str, password: str = GOOD) -> None:
    connection = {"conn_type": "http", "host": "api-server", "login": login, "password": password}
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_API", json.dumps(connection))


def permissions(fab) -> set[tuple[str, str]]:
    return {(each.action.name, each.resource.name) for each in fab.find_role(users.SERVICE_ROLE).permissions}


def test_the_service_user_comes_from_the_connection(fab, name: str, monkeypatch: pytest.MonkeyPatch):
    connect(monkeypatch, name)
    assert users.ensure_service_user(fab) == ["created"]
    assert users.ensure_service_user(fab) == []
    assert roles(fab, name) == ["Quartet service"]
    assert fab.check_password(name, GOOD)
    connect(monkeypatch, name, OTHER)
    assert users.ensure_service_user(fab) == ["password"]
    assert fab.check_password(name, OTHER)


def test_its_role_has_three_permissions_whatever_was_changed(fab, name: str, monkeypatch: pytest.MonkeyPatch):
    connect(monkeypatch, name)
    users.ensure_service_user(fab)
    wanted = {("can_edit", "DAG Runs"), ("can_edit", "DAGs"), ("can_read", "Website")}
    assert permissions(fab) == wanted
    role = fab.find_role(users.SERVICE_ROLE)
    fab.remove_permission_from_role(role, fab.get_permission("can_edit", "DAGs"))
    fab.add_permission_to_role(role, fab.get_permission("can_read", "Connections"))
    assert permissions(fab) != wanted
    users.ensure_service_user(fab)
    assert permissions(fab) == wanted
    fab.sync_roles()  # as each start of the API server does
    assert permissions(fab) == wanted


def test_an_administrator_is_not_made_the_service_user(fab, name: str, monkeypatch: pytest.MonkeyPatch):
    users.ensure_admin(fab, admin(name))
    connect(monkeypatch, name.upper(), OTHER)
    with pytest.raises(AccountError, match="an administrator; tasks need their own user"):
        users.ensure_service_user(fab)
    assert roles(fab, name) == ["Admin"]
    assert fab.check_password(name, GOOD)


def test_a_missing_or_incomplete_connection_is_reported(fab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AIRFLOW_CONN_QUARTET_API", raising=False)
    with pytest.raises(AccountError, match="connection quartet_api is missing: set AIRFLOW_CONN_QUARTET_API"):
        users.ensure_service_user(fab)
    connect(monkeypatch, "")
    with pytest.raises(AccountError, match="the user of the connection quartet_api is not set"):
        users.ensure_service_user(fab)
    connect(monkeypatch, "tasks", "airflow")
    with pytest.raises(AccountError, match="the password of the connection quartet_api is too easy to guess"):
        users.ensure_service_user(fab)
    assert fab.find_user("tasks") is None


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("", "fewer than 12 characters"),
        ("admin", "fewer than 12 characters"),
        ("airflow", "fewer than 12 characters"),
        ("changeme", "fewer than 12 characters"),
        ("x7#Kp2!qLm9", "fewer than 12 characters"),
        ("aaaabbbbccccdddd", "fewer than 6 different"),
        ("airflowairflow", "well-known words"),
        ("Password-1234", "well-known words"),
        ("Admin123Admin456", "well-known words"),
        ("administrator", "well-known words"),
        ("1234567890123", "well-known words"),
        ("zoe.zoe.zoe.2026", "well-known words"),
    ],
)
def test_these_passwords_are_weak(password: str, problem: str):
    assert problem in str(weakness(password, "zoe"))


@pytest.mark.parametrize("password", [GOOD, "x7#Kp2!qLm90", "zoe.zoe.zoe.2026", "пароль-для-квартета", "admin of nine"])
def test_these_are_not(password: str):
    assert weakness(password, "mia") is None


def config(monkeypatch: pytest.MonkeyPatch, base_url: str) -> dict[str, object]:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    return runpy.run_path(str(Path(ROOT, "deploy", "production", "webserver_config.py")))


@pytest.mark.parametrize(
    ("base_url", "secure"),
    [
        ("http://127.0.0.1:8080", False),
        ("http://localhost:9000/quartet", False),
        ("http://[::1]:8080", False),
        ("https://127.0.0.1:8443", True),
        ("https://quartet.example.org", True),
        ("http://quartet.example.org", True),
        ("http://10.1.2.3:8080", True),
        ("http://localhost.example.org", True),
        ("", True),
    ],
)
def test_cookies_need_https_except_on_this_machine(monkeypatch, base_url: str, secure: bool):
    assert config(monkeypatch, base_url)["SESSION_COOKIE_SECURE"] is secure


@pytest.mark.parametrize(("setting", "secure"), [("False", False), ("True", True)])
@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8080", "http://10.1.2.3:8080"])
def test_airflows_own_setting_for_cookies_wins(monkeypatch, base_url: str, setting: str, secure: bool):
    monkeypatch.setenv("AIRFLOW__FAB__COOKIE_SECURE", setting)
    assert config(monkeypatch, base_url)["SESSION_COOKIE_SECURE"] is secure


@pytest.mark.parametrize(("base_url", "lines"), [("http://quartet.example.org", 1), ("https://quartet.example.org", 0)])
def test_plain_http_over_a_network_is_reported(monkeypatch, caplog, base_url: str, lines: int):
    config(monkeypatch, base_url)
    assert caplog.text.count("Put a TLS proxy in front") == lines
