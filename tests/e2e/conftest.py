"""The platform that all end-to-end tests share."""

from collections.abc import Iterator

import pytest

from tests.support.platform import Platform


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    """Give the real platform, up and ready; a test leaves it so. It is stopped at the end of the session."""
    platform = Platform()
    failed_before = request.session.testsfailed
    try:
        platform.run("up")
        yield platform
    finally:
        failed = request.session.testsfailed > failed_before
        if failed:
            print(f"\nthe platform's home is kept for a look: {platform.home}")  # noqa: T201
        platform.remove(keep=failed)
