"""The demo on the real platform: every workflow once, every result checked."""

import subprocess
import sys

import pytest

from include.core.settings import ROOT
from tests.support.platform import Platform

pytestmark = pytest.mark.e2e


def run(platform: Platform, module: str) -> str:
    """Run a module of the demo as `make demo` does; give what it printed."""
    line = [sys.executable, "-m", module]
    done = subprocess.run(line, env=platform.environment, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_demo_checks_itself(platform: Platform):
    run(platform, "deploy.demo.posts")
    run(platform, "deploy.demo.articles")
    printed = run(platform, "deploy.demo")
    assert "predictions by model" in printed
    assert "19,300 posts" in " ".join(printed.split())
    assert "on the planted topic" in " ".join(printed.split())
    assert "related to it" in printed
    assert "s for its spins, then" in " ".join(printed.split())
