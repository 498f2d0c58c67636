"""Every app of the running platform, asked with anything that its own description allows and does not allow."""

import subprocess
import sys
from pathlib import Path

import pytest

from include.workflows import WORKFLOWS
from tests.support.platform import Platform

pytestmark = pytest.mark.e2e

CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance"
BOUNDS = ["--max-time", "25", "--max-examples", "20", "--generation-deterministic"]


@pytest.mark.parametrize("app", [workflow.name for workflow in WORKFLOWS])
def test_no_request_makes_an_api_fail(platform: Platform, app):
    address = f"{platform.url}/{app}/openapi.json"
    done = subprocess.run(
        [Path(sys.executable).with_name("st"), "run", address, "--checks", CHECKS, *BOUNDS, "--no-color"],
        env=platform.environment,
        cwd=platform.home,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
