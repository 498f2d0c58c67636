"""The stack that all tests of this folder share; they run in the order in which they are written."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.compose.stack import Stack


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Build the image, bring the stack up, give it, and remove it with its volumes."""
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.fail("these tests need a Docker engine, and none answers: docker info")
    stack = Stack(QUARTET_TASK_RETRIES="6")
    failed_before = request.session.testsfailed
    try:
        stack.compose("build", seconds=1800)
        print(f"\nall healthy after {stack.up():.0f} s")  # noqa: T201
        stack.sign_in()
        yield stack
    finally:
        if request.session.testsfailed > failed_before:
            (stack.folder / "stack.log").write_text(stack.compose("logs", "--no-color", check=False))
            print(f"\nthe logs are kept: {stack.folder}/stack.log")  # noqa: T201
            stack.down(volumes=True)
            stack.http.close()
        else:
            stack.remove()
