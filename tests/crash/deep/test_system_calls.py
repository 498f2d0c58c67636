"""The n-th system call of a real process fails, or kills it; the process is started again."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.scenarios.songs import Songs

pytestmark = [pytest.mark.crash_deep, pytest.mark.timeout(1_800)]

CALLS = ("fsync", "rename", "link", "unlink")
FAULTS = ("error=EIO", "signal=KILL")
ENVIRONMENT = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
COMMAND = [sys.executable, "-m", "tests.crash.deep.process"]


def run(state: Path, call: str = "", fault: str = "") -> tuple[int, int]:
    """Run the process; return its exit code, and how often it has called *call*."""
    log = state.parent / "strace.log"
    strace = ["strace", "-f", "-qq", "-o", str(log), "-e", f"trace={call}"] if call else []
    if fault:
        strace += ["-e", f"inject={call}:{fault}"]
    command = [*strace, *COMMAND, str(state)]
    found = subprocess.run(command, capture_output=True, timeout=300, check=False, env=ENVIRONMENT)
    return found.returncode, len(re.findall(rf"\b{call}\(", log.read_text())) if call else 0


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_fails_or_kills_leaves_no_trace(call, fault, tmp_path):
    scenario, state, untouched = Songs(), tmp_path / "state", tmp_path / "untouched"
    state.mkdir()
    scenario.prepare(state)
    shutil.copytree(state, untouched)
    assert run(state)[0] == 0
    expected = scenario.dump(state), scenario.view(state)
    calls, number = None, 0
    while calls is None or number <= calls:
        shutil.rmtree(state)
        shutil.copytree(untouched, state)
        code, seen = run(state, call, f"{fault}:when={number}" if number else "")
        if number == 0:
            calls = seen
            assert calls or call == "link", f"{call} is not called"
        else:
            view = scenario.view(state)
            assert view in (None, expected[1]), f"{call} {number} of {calls}, {fault}: a reader sees {view}"
            again = run(state)[0]
            assert again == 0, f"{call} {number} of {calls}, {fault}: {code}, then {again}"
            assert (scenario.dump(state), scenario.view(state)) == expected, f"{call} {number} of {calls}, {fault}"
        number += 1
