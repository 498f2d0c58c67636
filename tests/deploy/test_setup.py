"""Messages on a machine without a suitable Python, and the output of `make` alone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from include.core.settings import ROOT


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a checkout and a folder with the few programs that any machine has."""
    (tmp_path / "deploy" / "embedded").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "embedded" / "setup.sh", tmp_path / "deploy" / "embedded")
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    (tmp_path / "bin").mkdir()
    for name in ("sh", "dirname", "uname", "mkdir", "rm", "cat", "awk", "touch", "grep"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def program(bare: Path, name: str, text: str) -> None:
    path = bare / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def setup(bare: Path) -> subprocess.CompletedProcess[str]:
    script = bare / "deploy" / "embedded" / "setup.sh"
    environment = {"PATH": str(bare / "bin")}
    return subprocess.run(["/bin/sh", script], env=environment, capture_output=True, text=True, check=False)


def test_without_python_the_command_that_installs_it_is_named(bare):
    program(bare, "apt-get", "exit 1")
    done = setup(bare)
    assert done.returncode == 1
    assert "Python 3.11 or newer was not found" in done.stderr
    assert "sudo apt-get install -y python3 python3-venv" in done.stderr
    assert not (bare / ".venv").exists()


def test_an_old_python_does_not_do(bare):
    program(bare, "python3", "exit 1")  # what an old one answers to the question for its version
    assert "Python 3.11 or newer was not found" in setup(bare).stderr


def test_a_python_without_its_venv_module_is_named_with_the_package(bare):
    answers = 'case "$2" in *ensurepip*) exit 1;; *print*) echo 3.11;; esac'
    program(bare, "python3.11", answers)
    done = setup(bare)
    assert done.returncode == 1
    assert "sudo apt-get install -y python3.11-venv" in done.stderr


def test_an_interrupted_setup_is_not_taken_for_a_whole_one(bare):
    program(bare, "python3.11", 'case "$1 $2" in "-m venv") exit 1;; *print*) echo 3.11;; esac')
    (bare / ".venv").mkdir()
    (bare / ".venv" / ".ready").touch()
    assert setup(bare).returncode != 0
    assert not (bare / ".venv" / ".ready").exists()
    assert not (bare / ".venv" / ".setup").exists()


def test_a_second_setup_at_the_same_time_is_refused(bare):
    program(bare, "python3.11", 'case "$2" in *print*) echo 3.11;; esac')
    (bare / ".venv" / ".setup").mkdir(parents=True)
    (bare / ".venv" / ".setup" / "pid").write_text(str(os.getpid()))
    done = setup(bare)
    assert done.returncode == 1
    assert f"another make setup is running (process {os.getpid()})" in done.stderr
    assert (bare / ".venv" / ".setup" / "pid").exists()


def test_make_alone_names_every_target():
    done = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True)
    targets = ["setup", "demo", "up", "down", "status", "mlflow", "test", "lint", "bench", "lock", "docs", "clean"]
    for target in targets:
        assert f"  make {target}" in done.stdout
