"""Hosts of a site: which events of an archive that several sites share are its own."""

from collections.abc import Iterable
from functools import lru_cache

from include.articles.sites.hosts import is_below, plain_host

MAX_KNOWN = 4_096
"""Number of hosts that are remembered."""
COPIES = (".ampproject.org", ".ampproject.net", ".bing-amp.com", ".translate.goog")
"""Domains of caches and translators, where the host of a site is one label, its dots as hyphens."""


class Hosts:
    """
    The hosts on which readers read a site: those given, what is below them, and their copies in caches.

    Args:
        names: host names; `www.` does not matter.
        format: format of the events that have these hosts, one of `records.READERS`.
    """

    def __init__(self, names: Iterable[str], format: str = "amp") -> None:
        self.format = format
        self.names = tuple(sorted({plain_host(name) for name in names} - {""}))
        self.include = lru_cache(MAX_KNOWN)(self._include)  # an event has one of few hosts

    def _include(self, host: str) -> bool:
        """Check that a host is one of these; an empty one could be any, and counts."""
        name = plain_host(host)
        if f".{name}".endswith(COPIES):
            name = name.partition(".")[0].replace("--", "/").replace("-", ".").replace("/", "-")
            if "." not in name:  # a hash, or the cache itself
                return True
        return not name or is_below(name, self.names)
