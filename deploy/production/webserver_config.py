"""Configuration of signing in, in production; executed by Airflow's FAB auth manager (`AIRFLOW__FAB__CONFIG_FILE`).

It covers FAB's own pages and their session cookie. The cookie `_token`, which carries the API's token in a browser, is
Airflow's: always `HttpOnly` and `SameSite=Lax`, and `Secure` if the request came over https. See docs/security.md.
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
    """Check whether users connect over plain http to their own machine, where nobody else can read the traffic."""
    url = urlsplit(base_url)
    try:
        local = url.hostname == "localhost" or ip_address(url.hostname or "").is_loopback
    except ValueError:
        local = False
    return local and url.scheme == "http"


def refuse_weak(password: str) -> None:
    """Reject in FAB's forms the passwords that `deploy.production.users` rejects in the settings."""
    if reason := weakness(password):
        raise PasswordComplexityValidationError(f"This password is too easy to guess: {reason}.")


BASE_URL = conf.get("api", "base_url", fallback="") or ""
if "AIRFLOW__FAB__COOKIE_SECURE" in os.environ:  # for plain http on a private network
    SESSION_COOKIE_SECURE = conf.getboolean("fab", "cookie_secure")
else:
    SESSION_COOKIE_SECURE = not plain_on_this_machine(BASE_URL)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # Strict would show the login page to users who follow a link to a run
PERMANENT_SESSION_LIFETIME = timedelta(hours=12)  # without a request
if SESSION_COOKIE_SECURE and urlsplit(BASE_URL).scheme == "http":
    logging.getLogger(__name__).warning(
        "AIRFLOW__API__BASE_URL is %s: browsers do not send the session cookie over plain http on a network, so nobody "
        "can sign in. Put a TLS proxy in front and use its https address (docs/security.md)",
        BASE_URL,
    )

WTF_CSRF_ENABLED = True
WTF_CSRF_TIME_LIMIT = None  # as long as the session, so that a login page may stay open overnight

AUTH_TYPE = AUTH_DB
AUTH_USER_REGISTRATION = False
AUTH_ROLE_PUBLIC = None  # anonymous users have no role

# against guessing; counted per client address in each process of the API server
AUTH_RATE_LIMITED = True
AUTH_RATE_LIMIT = "5 per 40 second"
RATELIMIT_STORAGE_URI = "memory://"

# scrypt with werkzeug's default strength: FAB compares an unknown user's password with a hash of the same cost, so that
# response times do not reveal which names exist
FAB_PASSWORD_HASH_METHOD = "scrypt"  # noqa: S105
FAB_PASSWORD_COMPLEXITY_ENABLED = True
FAB_PASSWORD_COMPLEXITY_VALIDATOR = refuse_weak
