"""The two accounts that production requires, created from the settings.

The administrator is defined by `QUARTET_ADMIN_USER`, `QUARTET_ADMIN_PASSWORD` and `QUARTET_ADMIN_EMAIL`. The service
user is the login of the Airflow connection `quartet_api`: tasks set the notes of their runs as this user, and its role
has only the permissions that this takes.

    with users.security_manager() as security:
        users.ensure_admin(security)
        users.ensure_service_user(security)

The settings are authoritative on each call: a changed password replaces the one in the database, and accounts that were
locked or given other roles are reset. Everything is done by FAB's own security manager, as in `airflow users`.
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
    # PATCH /api/v2/dags/{dag}/dagRuns/{run}: Airflow has no finer permission to set a note
    ("can_edit", "DAG Runs"),
    ("can_edit", "DAGs"),
    # Airflow grants it to every role at each start of the API server; no route requires it
    ("can_read", "Website"),
}

LOCK_MILLISECONDS = 120_000  # PostgreSQL's unit, which Airflow passes on unchanged


class AccountError(SettingsError):
    """An account cannot be created from the settings; the message never contains a password."""


@contextmanager
def security_manager() -> "Iterator[FabAirflowSecurityManagerOverride]":
    """
    Open FAB's security manager on Airflow's database, with Airflow's own roles and permissions up to date.

    The database must be migrated, and the auth manager must be FAB's. On PostgreSQL, one process at a time holds it;
    another one waits for up to two minutes.
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
    Create the administrator, or update it to the settings.

    Args:
        security: FAB's security manager.
        settings: the administrator; `None`: read from the environment.

    Returns:
        The changes, one word each (`created`, `password`, `role`, `unlocked`, `email`); empty if there were none.

    Raises:
        AccountError: the name or password is missing, the password is weak, or the email address is another user's.
    """
    settings = settings or AdminSettings.load()
    name = _required(settings.user, AdminSettings.variable("user"))
    password = _strong(settings.password.get_secret_value(), name, AdminSettings.variable("password"))
    role = security.find_role(ADMIN_ROLE)
    if role is None:
        raise AccountError("Airflow's roles are not in its database; security_manager() creates them")
    email = settings.email or f"{name}@localhost"
    return _ensure(security, name, password, email, ("Quartet", "administrator"), role)


def ensure_service_user(security: "FabAirflowSecurityManagerOverride") -> list[str]:
    """
    Create the role and the user that tasks call Airflow's API as, or update them to the connection.

    Args:
        security: FAB's security manager.

    Returns:
        The changes, as in `ensure_admin`.

    Raises:
        AccountError: the connection is missing, has no login or an administrator's, or has a weak password.
    """
    name, password = _service_login()
    user = security.find_user(name)
    if user and any(role.name == ADMIN_ROLE for role in user.roles):
        raise AccountError(
            f"the connection {SERVICE_CONNECTION} names {name!r}, an administrator; tasks need their own user"
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
    if found != SERVICE_PERMISSIONS:  # FAB only logs errors
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
    """Create the user *name*, or update its password, address and role; return the changes."""
    _require_free(security, email, name)
    user = security.find_user(name)
    if user is None:
        security.add_user(name, *names, email, role, password)
        log.info("user %s: created with the role %s", name, role.name)
        return ["created"]
    done = []
    if not security.check_password(name, password):
        _require(security.reset_password(user.id, password), name)  # also ends the sessions of the old one
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
        raise AccountError(f"the address {email} of user {name!r} already belongs to user {owner.username!r}")


def _require(done: bool, name: str) -> None:
    if not done:
        raise AccountError(f"FAB did not change user {name!r}; its log has the reason")


def _required(value: str, what: str) -> str:
    if not value.strip():
        raise AccountError(f"{what} is not set")
    return value.strip()


def _strong(password: str, user: str, what: str) -> str:
    if not password:
        raise AccountError(f"{what} is not set")
    if reason := weakness(password, user):
        raise AccountError(f"{what} is too easy to guess: {reason}")
    return password
