"""The stack with its storage in the stand-in of S3, as `make env S3=1` sets it up."""

from collections.abc import Iterator

import pytest

from tests.compose.conftest import running
from tests.compose.stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

LIST = """
from airflow.sdk import ObjectStoragePath
root = ObjectStoragePath("s3://quartet", conn_id="quartet_storage")
print("kinds", *sorted(each.name for each in root.iterdir()))
"""


@pytest.fixture(scope="module")
def s3_stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Yield a stack with its storage in the S3 emulator."""
    with running(request, s3=True) as stack:
        yield stack


def test_the_demo_checks_itself_on_s3(s3_stack: Stack):
    printed = " ".join(s3_stack.compose("--profile", "demo", "run", "--rm", "demo").split())
    for expected in ("predictions by model", "19,300 posts", "on the planted topic", "s for its spins, then"):
        assert expected in printed
    shown = s3_stack.compose("exec", "-T", "airflow-worker", "python", "-c", LIST)
    assert [line for line in shown.splitlines() if line.startswith("kinds")] == [
        "kinds articles audience mlflow ratings songs"
    ]
