"""The stack that all tests of this folder share; they run in the order in which they are written."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.compose.stack import Stack


@contextmanager
def running(request: pytest.FixtureRequest, *, s3: bool = False, **settings: str) -> Iterator[Stack]:
    """Build the image, bring a stack up, give it, remove it with its volumes; its logs stay if a test has failed."""
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.fail("these tests need a Docker engine, and none answers: docker info")
    stack = Stack(s3=s3, **settings)
    failed_before = request.session.testsfailed
    try:
        stack.compose("build", seconds=1800)
        print(f"\nall healthy after {stack.up():.0f} s")  # noqa: T201
        stack.sign_in()
        yield stack
    finally:
        if request.session.testsfailed > failed_before:
            (stack.folder / "stack.log").write_text(stack.compose("logs", "--no-color", check=False))
            stack.compose("cp", "airflow-worker:/opt/airflow/logs", str(stack.folder / "logs"), check=False)
            print(f"\nthe logs are kept: {stack.folder}")  # noqa: T201
            stack.down(volumes=True)
            stack.http.close()
        else:
            stack.remove()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Yield the stack with its storage in a volume."""
    with running(request, QUARTET_TASK_RETRIES="6") as stack:
        yield stack
