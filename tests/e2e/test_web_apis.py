"""Every app of the running platform, asked with anything that its own description allows and does not allow."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from include.workflows import WORKFLOWS
from tests.support.platform import Platform

pytestmark = pytest.mark.e2e

CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance"
BOUNDS = ["--max-time", "25", "--max-examples", "20", "--generation-deterministic"]


APPS = [workflow.name for workflow in WORKFLOWS]


@pytest.fixture(scope="module")
def checks(platform: Platform) -> dict[str, subprocess.CompletedProcess[str]]:
    """Check all apps at the same time, which takes half as long as one after the other."""
    with ThreadPoolExecutor(len(APPS)) as pool:
        return dict(zip(APPS, pool.map(partial(check, platform), APPS), strict=True))


def check(platform: Platform, app: str) -> subprocess.CompletedProcess[str]:
    address = f"{platform.url}/{app}/openapi.json"
    return subprocess.run(
        [Path(sys.executable).with_name("st"), "run", address, "--checks", CHECKS, *BOUNDS, "--no-color"],
        env=platform.environment,
        cwd=platform.home,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("app", APPS)
def test_no_request_makes_an_api_fail(checks, app):
    assert checks[app].returncode == 0, checks[app].stdout
