"""The platform that all end-to-end tests share, and what it sends to others."""

from collections.abc import Iterator

import pytest

from tests.support.collector import Collector, collecting
from tests.support.platform import Platform

DEADLINE_MINUTES = "0.5"
"""After so long, a run without a limit of its own is late."""


@pytest.fixture(scope="session")
def received() -> Iterator[Collector]:
    """Yield the collector of the platform's metrics and notifications."""
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest, received: Collector) -> Iterator[Platform]:
    """Yield the real platform, up and ready; a test leaves it so. It is stopped at the end of the session."""
    platform = Platform(
        QUARTET_OTEL_ENDPOINT=received.url,
        OTEL_METRIC_EXPORT_INTERVAL="1000",
        QUARTET_NOTIFY_URL=received.url.replace("http", "json") + "/notify",
        QUARTET_DEADLINE_MINUTES=DEADLINE_MINUTES,
    )
    failed_before = request.session.testsfailed
    try:
        platform.run("up")
        yield platform
    finally:
        failed = request.session.testsfailed > failed_before
        if failed:
            print(f"\nthe platform's home is kept for a look: {platform.home}")  # noqa: T201
        platform.remove(keep=failed)
