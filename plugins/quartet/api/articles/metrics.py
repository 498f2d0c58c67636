"""Metrics of the articles API, as log lines: a name, a value, the handler and the site."""

import logging
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

FLUSH_SECONDS = 60
MAX_SITES = 100
NAME = re.compile(r"[a-z0-9-]{1,100}", re.ASCII)
NO_SITE, OTHER_SITE = "none", "other"


def label(site: str) -> str:
    """Return the label of a site; `other` for text that cannot be the name of one."""
    return site if NAME.fullmatch(site) else OTHER_SITE


@dataclass
class Latency:
    """Latencies of requests, in milliseconds."""

    requests: int = 0
    total: float = 0
    longest: float = 0

    def add(self, milliseconds: float) -> None:
        """Add a request."""
        self.requests += 1
        self.total += milliseconds
        self.longest = max(self.longest, milliseconds)


class Metrics:
    """
    Counts requests, and logs the counts with the first response after a minute.

    Args:
        timer: returns seconds.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._flushed = timer()
        self._sites: set[str] = set()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._latencies: dict[tuple[str, str], Latency] = {}

    def count(self, name: str, site: str) -> None:
        """Increment a counter, such as `total_rec_requests`."""
        self._counts[name, self._bounded(site)] += 1

    def answered(self, handler: str, site: str, method: str, status: int, milliseconds: float) -> None:
        """Add a request; an error is also logged at once."""
        if status >= 400:
            line = "error_request_time %.1f ms handler=%s site=%s method=%s status_code=%d"
            log.info(line, milliseconds, handler, site, method, status)
        self._latencies.setdefault((handler, self._bounded(site)), Latency()).add(milliseconds)
        if self._timer() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Log the counts since the last flush and reset them."""
        for (name, site), number in sorted(self._counts.items()):
            log.info("%s %d site=%s", name, number, site)
        for (handler, site), each in sorted(self._latencies.items()):
            line = "aggregate_latency %.1f ms handler=%s site=%s requests=%d longest=%.1f ms"
            log.info(line, each.total / each.requests, handler, site, each.requests, each.longest)
        self._sites.clear()
        self._counts.clear()
        self._latencies.clear()
        self._flushed = self._timer()

    def _bounded(self, site: str) -> str:
        """Return the label to count under, of which callers cannot create any number."""
        if len(self._sites) < MAX_SITES:
            self._sites.add(site)
        return site if site in self._sites else OTHER_SITE
