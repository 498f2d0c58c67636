"""Coverage of the unit tests: measured by slipcover in the workers of pytest-xdist, reported and checked at the end.

`SLIPCOVER_ENABLED=1`, which `make test` sets, switches it on. slipcover removes its probes once they have been hit, so
the tests take hardly longer; coverage.py doubles the time of everything that runs in Python, libraries included.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MIN_PERCENT = 90
"""Percentage of lines and branches below which the tests fail."""
MAX_LINES = 20
"""Maximum number of missed lines printed for a file."""
SWITCH = "SLIPCOVER_ENABLED"
SWITCHED = pytest.StashKey[str]()
FOUND = pytest.StashKey[dict[str, Any]]()


def pytest_configure(config: pytest.Config) -> None:
    """Switch slipcover off for the processes that the tests of a worker start, which it would take for that worker."""
    if hasattr(config, "workerinput") and SWITCH in os.environ:
        config.stash[SWITCHED] = os.environ.pop(SWITCH)


@pytest.hookimpl(wrapper=True)  # slipcover's own hook writes what a worker has measured, and merges it at the end
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Read what was measured; fail if it is too little."""
    if SWITCHED in session.config.stash:
        os.environ[SWITCH] = session.config.stash[SWITCHED]
    yield
    folder = os.environ.get("SLIPCOVER_COVERAGE_DIR")
    if not folder or SWITCH not in os.environ or hasattr(session.config, "workerinput"):
        return
    merged = Path(folder) / "merged.json"
    found = json.loads(merged.read_text()) if merged.exists() else None  # no worker has come to an end
    shutil.rmtree(folder)
    if not found:
        return
    session.config.stash[FOUND] = found
    if session.exitstatus == pytest.ExitCode.OK and found["summary"]["percent_covered"] < MIN_PERCENT:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the files that are not covered completely, and the total."""
    if (found := config.stash.get(FOUND, None)) is None:
        return
    terminalreporter.section("coverage of lines and branches")
    for name, file in sorted(found["files"].items()):
        if (percent := file["summary"]["percent_covered"]) < 100:
            lines = ", ".join(map(str, file["missing_lines"][:MAX_LINES])) or "branches only"
            terminalreporter.write_line(f"{percent:5.1f} %  {name}: {lines}")
    total = found["summary"]["percent_covered"]
    terminalreporter.write_line(f"{total:5.1f} %  in total; at least {MIN_PERCENT} % are required")
