"""What HTTP statuses mean, from web servers and from S3, and addresses without secrets."""

from enum import Enum
from urllib.parse import urlsplit

MISSING_STATUSES = (403, 404, 410)
"""403 counts as missing on every server: stores that must not list answer so for an object that does not exist."""
TRANSIENT_STATUSES = (408, 429)
"""And every status from 500."""


class Trouble(Enum):
    """Why an object could not be read."""

    MISSING = "it does not exist, or not yet"
    TRANSIENT = "it could not be checked; the error is transient"
    PERMANENT = "it cannot be had, and another try would end in the same way"


def classify_status(status: int) -> Trouble:
    """Return what an HTTP status without success means."""
    if status in MISSING_STATUSES:
        return Trouble.MISSING
    return Trouble.TRANSIENT if status in TRANSIENT_STATUSES or status >= 500 else Trouble.PERMANENT


def redact(url: str) -> str:
    """Return *url* without what may be secret: user, password and query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=parts.query and "…", fragment="").geturl()
