"""Every app of the running platform, asked with anything that its own description allows and does not allow."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from include.articles.database import schema
from include.core.database.engine import open_engine
from include.workflows import WORKFLOWS
from tests.support.platform import Platform

pytestmark = pytest.mark.e2e

CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance"
BOUNDS = ["--max-time", "25", "--max-examples", "20", "--generation-deterministic"]


@pytest.mark.parametrize("app", [workflow.name for workflow in WORKFLOWS])
def test_no_request_makes_an_api_fail(platform: Platform, app):
    if app == "articles":  # before the first run it answers 503
        with open_engine(URL.create("sqlite", database=str(platform.home / "data" / "articles.db"))) as engine:
            schema.upgrade(engine)
    address = f"{platform.url}/{app}/openapi.json"
    done = subprocess.run(
        [Path(sys.executable).with_name("st"), "run", address, "--checks", CHECKS, *BOUNDS, "--no-color"],
        env=platform.environment,
        cwd=platform.home,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
