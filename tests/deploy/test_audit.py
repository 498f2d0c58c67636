"""Evaluation of a vulnerability report."""

import json
import subprocess
from pathlib import Path

import pytest

from deploy import audit

HOLE = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["1.1"]}


def report(*vulnerabilities: dict) -> dict:
    """Build a report with a package that has these vulnerabilities, one without any, and one that is not known."""
    return {
        "dependencies": [
            {"name": "good", "version": "2.0", "vulns": []},
            {"name": "holed", "version": "1.0", "vulns": list(vulnerabilities)},
            {"name": "own", "skip_reason": "not found"},
        ]
    }


def test_a_lock_without_vulnerabilities_passes():
    assert audit.evaluate(report(), {}) == (["2 of 3 packages were checked"], False)


def test_a_vulnerability_fails_and_names_its_fix():
    lines, failed = audit.evaluate(report(HOLE), {})
    assert failed
    assert lines[0] == "holed 1.0: PYSEC-1, fixed in 1.1"


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-2026-1"])
def test_an_accepted_one_passes_with_its_reason(name: str):
    lines, failed = audit.evaluate(report(HOLE), {name: "not reached"})
    assert not failed
    assert lines[0] == "holed 1.0: PYSEC-1, accepted: not reached"


def test_one_that_is_accepted_hides_no_other():
    _, failed = audit.evaluate(report(HOLE, {"id": "PYSEC-2", "fix_versions": []}), {"PYSEC-1": "not reached"})
    assert failed


def test_an_exception_that_is_no_longer_needed_is_reported():
    lines, failed = audit.evaluate(report(), {"PYSEC-9": "old"})
    assert not failed
    assert lines[0].startswith("PYSEC-9 is accepted")


@pytest.mark.parametrize(
    ("printed", "code", "said"),
    [
        (json.dumps(report(HOLE)), 1, "fixed in 1.1"),
        (json.dumps(report()), 0, "2 of 3"),
        ("", 0, "nothing was audited"),
    ],
)
def test_the_exit_code_follows_the_report(tmp_path: Path, monkeypatch, capsys, printed, code, said):
    (tmp_path / "pyproject.toml").write_text("[tool.quartet.audit]\naccepted = {}\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, printed, "no route"))
    assert audit.main(tmp_path) == code
    assert said in "".join(capsys.readouterr())
