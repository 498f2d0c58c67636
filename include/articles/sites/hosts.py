"""Host names of a site."""

from collections.abc import Iterable


def plain_host(host: str | None) -> str:
    """Return a host name in lower case, without port, final dot and `www.`; empty if there is none."""
    name = (host or "").strip().lower()
    if name.count(":") == 1:  # more of them are an IPv6 address
        name = name.partition(":")[0]
    return name.rstrip(".").removeprefix("www.")


def is_below(host: str, names: Iterable[str]) -> bool:
    """Check that a host, in the form of `plain_host`, is one of these or below one of them."""
    return any(host == name or host.endswith(f".{name}") for name in names)
