"""Failures in a row, logged once."""

import logging

log = logging.getLogger(__name__)


class FailureLog:
    """Counts the failures in a row of one kind of work, and logs only the first one and the recovery."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.failures = 0

    def note(self, error: Exception) -> None:
        """Count a failure."""
        self.failures += 1
        if self.failures == 1:
            log.warning("%s failed, trying again: %r", self.what, error)

    def end(self) -> None:
        """Note a success."""
        if self.failures:
            log.info("%s works again, after %d failures", self.what, self.failures)
        self.failures = 0
