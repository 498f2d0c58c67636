"""The seeded bugs: each patch fits the code as it is, and the net finds a bug."""

import subprocess

import pytest

from tests.crash.seeded import PATCHES, ROOT, bugs

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("bug", bugs(), ids=lambda bug: bug.name)
def test_a_patch_applies(bug):
    command = ["git", "apply", "--check", str(PATCHES / f"{bug.name}.patch")]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not found.returncode, found.stderr


def test_there_are_twenty():
    assert len(bugs()) == 20
