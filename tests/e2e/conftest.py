"""The platforms that all end-to-end tests share: one that nothing happens to, one whose processes are killed.

With `--dist loadgroup` the tests of each have a worker of their own, and the two run side by side.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import collector
from tests.support.platform import Platform

DEADLINE_MINUTES = 0.5
"""After which `killable` tells that a run is late."""


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    """A platform that is up and ready; its tests leave all components alone."""
    with running(request.session) as platform:
        yield platform


@pytest.fixture(scope="session")
def killable(request: pytest.FixtureRequest) -> Iterator[Platform]:
    """
    A platform whose tests kill components, and leave it up and ready.

    It sends metrics and notifications to its `collector`.
    """
    with (
        collector.running() as its_collector,
        running(
            request.session,
            QUARTET_DEADLINE_MINUTES=str(DEADLINE_MINUTES),
            QUARTET_NOTIFY_URL=its_collector.url.replace("http", "json") + "/notify",
            QUARTET_OTEL_ENDPOINT=its_collector.url,
            OTEL_METRIC_EXPORT_INTERVAL="1000",
        ) as platform,
    ):
        platform.collector = its_collector
        yield platform


@contextmanager
def running(session: pytest.Session, **variables: str) -> Iterator[Platform]:
    """Start a platform with further environment *variables*, and stop it; its home is kept when a test fails."""
    platform = Platform(**variables)
    failed_before = session.testsfailed
    try:
        platform.run("up")
        yield platform
    finally:
        failed = session.testsfailed > failed_before
        if failed:
            print(f"\nthe platform's home is kept for a look: {platform.home}")  # noqa: T201
        platform.remove(keep=failed)
