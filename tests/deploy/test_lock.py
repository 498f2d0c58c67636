"""The lock matches the declared dependencies, and is checked without the network."""

import shutil
import subprocess
from pathlib import Path

import pytest

from deploy import lock

DECLARED = """
[project]
requires-python = ">=3.11"
dependencies = ["httpx", "rich>=13"]  # why

[dependency-groups]
dev = ["pytest"]
"""
LOCKED = """\
# made by uv
httpx==0.28.1 \\
    --hash=sha256:00
rich==15.0.0 \\
    --hash=sha256:11
    # via quartet
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").write_text(DECLARED)
    (tmp_path / "requirements.txt").write_text(lock.sign(DECLARED, LOCKED))
    return tmp_path


def test_the_lock_of_this_project_is_current():
    assert lock.main(["--check"]) == 0


def test_the_lock_has_no_path_of_the_machine_that_wrote_it():
    head = (lock.ROOT / "requirements.txt").read_text().splitlines()[:4]
    assert not [line for line in head if "/" in line]


def test_a_signed_lock_is_current(project):
    assert lock.main(["--check"], project) == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [('"rich>=13"', '"rich>=14"'), ('"httpx", ', ""), ('["pytest"]', '["pytest", "ruff"]'), (">=3.11", ">=3.12")],
)
def test_a_changed_dependency_is_out_of_date_and_the_message_names_the_remedy(project, capsys, old, new):
    (project / "pyproject.toml").write_text(DECLARED.replace(old, new))
    assert lock.main(["--check"], project) == 1
    assert "make lock" in capsys.readouterr().err


@pytest.mark.parametrize(("old", "new"), [("rich==15.0.0", "rich==14.0.0"), ("sha256:11", "sha256:12")])
def test_a_lock_changed_by_hand_is_out_of_date(project, old, new):
    path = project / "requirements.txt"
    path.write_text(path.read_text().replace(old, new))
    assert lock.main(["--check"], project) == 1


def test_an_unsigned_lock_is_out_of_date(project):
    (project / "requirements.txt").write_text(LOCKED)
    assert lock.main(["--check"], project) == 1


def test_comments_and_order_do_not_matter(project):
    (project / "pyproject.toml").write_text(DECLARED.replace('"httpx", "rich>=13"', '"rich>=13",\n"httpx"'))
    path = project / "requirements.txt"
    path.write_text(path.read_text().replace("# via quartet", "# via quartet, httpx"))
    assert lock.main(["--check"], project) == 0


def test_dependencies_that_cannot_be_resolved_leave_the_old_lock(project, monkeypatch, capsys):
    def refuse(line, **options):
        raise subprocess.CalledProcessError(2, line)

    monkeypatch.setattr(lock.subprocess, "run", refuse)
    before = (project / "requirements.txt").read_bytes()
    assert lock.main([], project) == 2
    assert "was not changed" in capsys.readouterr().err
    assert (project / "requirements.txt").read_bytes() == before


def test_a_new_lock_starts_from_the_old_pins(project, monkeypatch):
    def resolve(line, **options):
        target = line[line.index("--output-file") + 1]
        assert "rich==15.0.0" in Path(target).read_text()
        shutil.copy(project / "new.txt", target)

    (project / "new.txt").write_text(LOCKED.replace("15.0.0", "15.0.1"))
    monkeypatch.setattr(lock.subprocess, "run", resolve)
    assert lock.main(["--upgrade"], project) == 0
    assert "rich==15.0.1" in (project / "requirements.txt").read_text()
    assert lock.main(["--check"], project) == 0
