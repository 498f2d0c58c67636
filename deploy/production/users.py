"""The two accounts that production cannot do without, made as the settings say.

The administrator comes from `QUARTET_ADMIN_USER`, `QUARTET_ADMIN_PASSWORD` and `QUARTET_ADMIN_EMAIL`. The service user
is whom the Airflow connection `quartet_api` names: tasks set the notes of their runs as this user, so its role may do
what that needs and nothing else.

    with users.security_manager() as security:
        users.ensure_admin(security)
        users.ensure_service_user(security)

The settings are the truth at each call: another password replaces the one in the database, an account that was locked
or has other roles becomes again what it should be. All is done by FAB's own security manager, as `airflow users` does.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from deploy.production.passwords import weakness
from deploy.settings.admin import AdminSettings
from include.core.errors import SettingsError

if TYPE_CHECKING:
    from airflow.providers.fab.auth_manager.models import Role
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

log = logging.getLogger(__name__)

ADMIN_ROLE = "Admin"
SERVICE_CONNECTION = "quartet_api"
SERVICE_ROLE = "Quartet service"
SERVICE_PERMISSIONS = {
    # PATCH /api/v2/dags/{dag}/dagRuns/{run}: Airflow has no finer right to set a note
    ("can_edit", "DAG Runs"),
    ("can_edit", "DAGs"),
    # Airflow gives it to every role at each start of the API server; no route asks for it
    ("can_read", "Website"),
}

LOCK_MILLISECONDS = 120_000  # PostgreSQL's unit; Airflow hands it on as it is


class AccountError(SettingsError):
    """An account cannot be made as the settings say; the message never has a password in it."""


@contextmanager
def security_manager() -> "Iterator[FabAirflowSecurityManagerOverride]":
    """
    Give FAB's security manager on Airflow's database, with Airflow's own roles and permissions up to date.

    The database must be migrated; the auth manager must be FAB's. On PostgreSQL one process at a time gets it; another
    one waits for two minutes.
    """
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from airflow.providers_manager import ProvidersManager
    from airflow.utils.db import DBLocks, create_global_lock
    from airflow.utils.session import create_session

    ProvidersManager().initialize_providers_configuration()
    with (
        create_session(scoped=False) as session,
        create_global_lock(session, DBLocks.MIGRATIONS, lock_timeout=LOCK_MILLISECONDS),
        get_application_builder() as builder,
    ):
        security = cast("FabAirflowSecurityManagerOverride", builder.sm)
        builder.add_permissions(update_perms=True)  # these two are what `airflow sync-perm` does
        security.sync_roles()
        yield security


def ensure_admin(security: "FabAirflowSecurityManagerOverride", settings: AdminSettings | None = None) -> list[str]:
    """
    Make the administrator, or change what differs from the settings.

    Args:
        security: FAB's security manager.
        settings: who it is; `None`: the environment says.

    Returns:
        What was done, a word each (`made`, `password`, `role`, `unlocked`, `email`); empty: nothing had to be.

    Raises:
        AccountError: no name, no password or one that is easy to guess, or the address is another user's.
    """
    settings = settings or AdminSettings.load()
    name = _required(settings.user, AdminSettings.variable("user"))
    password = _strong(settings.password.get_secret_value(), name, AdminSettings.variable("password"))
    role = security.find_role(ADMIN_ROLE)
    if role is None:
        raise AccountError("Airflow's roles are not in its database: make them with security_manager()")
    email = settings.email or f"{name}@localhost"
    return _ensure(security, name, password, email, ("Quartet", "administrator"), role)


def ensure_service_user(security: "FabAirflowSecurityManagerOverride") -> list[str]:
    """
    Make the role and the user that tasks speak to Airflow's API as, or change what differs.

    Args:
        security: FAB's security manager.

    Returns:
        What was done, as `ensure_admin` says it.

    Raises:
        AccountError: there is no such connection, it names nobody or an administrator, or its password is easy to
            guess.
    """
    name, password = _service_login()
    user = security.find_user(name)
    if user and any(role.name == ADMIN_ROLE for role in user.roles):
        raise AccountError(
            f"the connection {SERVICE_CONNECTION} names {name!r}, an administrator; tasks need a user of their own"
        )
    return _ensure(security, name, password, f"{name}@localhost", ("Quartet", "service"), _service_role(security))


def _service_login() -> tuple[str, str]:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(SERVICE_CONNECTION)
    except AirflowNotFoundException:
        variable = f"AIRFLOW_CONN_{SERVICE_CONNECTION}".upper()
        raise AccountError(
            f"the Airflow connection {SERVICE_CONNECTION} is missing: set {variable} (http://<user>:<password>@<host>)"
        ) from None
    name = _required(connection.login or "", f"the user of the connection {SERVICE_CONNECTION}")
    return name, _strong(connection.password or "", name, f"the password of the connection {SERVICE_CONNECTION}")


def _service_role(security: "FabAirflowSecurityManagerOverride") -> "Role":
    role = security.add_role(SERVICE_ROLE)
    for permission in list(role.permissions):
        if _pair(permission) not in SERVICE_PERMISSIONS:
            security.remove_permission_from_role(role, permission)
    for action, resource in sorted(SERVICE_PERMISSIONS):
        security.add_permission_to_role(role, security.create_permission(action, resource))
    found = {_pair(permission) for permission in role.permissions}
    if found != SERVICE_PERMISSIONS:  # FAB logs what went wrong and goes on
        raise AccountError(f"the role {SERVICE_ROLE!r} has {sorted(found)}, not {sorted(SERVICE_PERMISSIONS)}")
    return role


def _pair(permission: Any) -> tuple[str, str]:
    return permission.action.name, permission.resource.name


def _ensure(
    security: "FabAirflowSecurityManagerOverride",
    name: str,
    password: str,
    email: str,
    names: tuple[str, str],
    role: "Role",
) -> list[str]:
    """Make the user of that name, or give it this password, address and role; say what was done."""
    _require_free(security, email, name)
    user = security.find_user(name)
    if user is None:
        security.add_user(name, *names, email, role, password)
        log.info("user %s: made with the role %s", name, role.name)
        return ["made"]
    done = []
    if not security.check_password(name, password):
        _require(security.reset_password(user.id, password), name)  # ends the sessions of the old one too
        done.append("password")
    if [each.name for each in user.roles] != [role.name]:
        user.roles = [role]
        done.append("role")
    if not user.active:
        user.active = True
        done.append("unlocked")
    if user.email != email:
        user.email = email
        done.append("email")
    if done:
        _require(security.update_user(user), name)
        log.info("user %s: changed %s", name, ", ".join(done))
    return done


def _require_free(security: "FabAirflowSecurityManagerOverride", email: str, name: str) -> None:
    owner = security.find_user(email=email)
    if owner and owner.username.lower() != name.lower():
        raise AccountError(f"the address {email} of user {name!r} is that of user {owner.username!r} already")


def _require(done: bool, name: str) -> None:
    if not done:
        raise AccountError(f"FAB did not change user {name!r}; its log says why")


def _required(value: str, what: str) -> str:
    if not value.strip():
        raise AccountError(f"{what} is not set")
    return value.strip()


def _strong(password: str, user: str, what: str) -> str:
    if not password:
        raise AccountError(f"{what} is not set")
    if problem := weakness(password, user):
        raise AccountError(f"{what} is too easy to guess: {problem}")
    return password
