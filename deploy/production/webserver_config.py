"""How signing in works in production: Airflow's FAB auth manager executes this file (`AIRFLOW__FAB__CONFIG_FILE`).

It covers FAB's own pages and their session cookie. The cookie `_token`, which carries the API's token in a browser, is
Airflow's: `HttpOnly` and `SameSite=Lax` always, `Secure` when the request came by https. docs/security.md has both.
"""

import logging
import os
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from airflow.configuration import conf
from flask_appbuilder.const import AUTH_DB
from flask_appbuilder.exceptions import PasswordComplexityValidationError

from deploy.production.passwords import weakness


def plain_on_this_machine(base_url: str) -> bool:
    """Whether users come by plain http, to the machine that they sit at: no one else can read it."""
    url = urlsplit(base_url)
    try:
        local = url.hostname == "localhost" or ip_address(url.hostname or "").is_loopback
    except ValueError:
        local = False
    return local and url.scheme == "http"


def refuse_weak(password: str) -> None:
    """Refuse in FAB's forms what `deploy.production.users` refuses in the settings."""
    if problem := weakness(password):
        raise PasswordComplexityValidationError(f"This password is too easy to guess: {problem}.")


BASE_URL = conf.get("api", "base_url", fallback="") or ""
if "AIRFLOW__FAB__COOKIE_SECURE" in os.environ:  # who runs plain http on a network that nobody else is on
    SESSION_COOKIE_SECURE = conf.getboolean("fab", "cookie_secure")
else:
    SESSION_COOKIE_SECURE = not plain_on_this_machine(BASE_URL)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # Strict would show the login page to whoever follows a link to a run
PERMANENT_SESSION_LIFETIME = timedelta(hours=12)  # without a request
if SESSION_COOKIE_SECURE and urlsplit(BASE_URL).scheme == "http":
    logging.getLogger(__name__).warning(
        "AIRFLOW__API__BASE_URL is %s: no browser sends the session cookie by plain http over a network, so nobody "
        "can sign in. Put a TLS proxy in front and name its https address (docs/security.md)",
        BASE_URL,
    )

WTF_CSRF_ENABLED = True
WTF_CSRF_TIME_LIMIT = None  # as long as the session: a login page may stay open over night

AUTH_TYPE = AUTH_DB
AUTH_USER_REGISTRATION = False
AUTH_ROLE_PUBLIC = None  # who has not signed in has no role

# guessing: counted for each caller's address in each process of the API server
AUTH_RATE_LIMITED = True
AUTH_RATE_LIMIT = "5 per 40 second"
RATELIMIT_STORAGE_URI = "memory://"

# scrypt as strong as werkzeug makes it: FAB compares an unknown user's password with a hash of the same cost, so that
# the time of an answer does not tell which names exist
FAB_PASSWORD_HASH_METHOD = "scrypt"  # noqa: S105
FAB_PASSWORD_COMPLEXITY_ENABLED = True
FAB_PASSWORD_COMPLEXITY_VALIDATOR = refuse_weak
