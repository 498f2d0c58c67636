"""
Lint what changed and run its unit tests, within a minute: `make check`.

A file has changed if it differs from the merge base with main, committed or not. The tests of a file are those of its
mirror below tests/, or of its folder if it has none; the tests of a fixture are those of its folder.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
TEST_SECONDS = 40
"""No test starts later; the rest of the minute is for the start and the end of the session."""
MAINS = ("origin/main", "main")
NO_UNIT_TESTS = ("tests/crash/", "tests/e2e/", "tests/compose/")
TYPED = ("include/", "plugins/", "deploy/")
DOCUMENTED = ("dags/", "docs/", "include/", "plugins/", "deploy/settings/", ".env.example")
LOCK = {"pyproject.toml", "requirements.txt"}
FEW = 3
"""Up to this number, test modules run faster in a single process."""
NOTHING_COLLECTED = 5
STOPPED = (1, 2)
"""Exit codes of pytest when its time is up, in a single process and in several."""


@dataclass(frozen=True)
class Selection:
    """Linters and test modules to run."""

    lint: list[list[str]]
    """Commands; the first word is a program in `.venv/bin`."""
    tests: list[str]
    """Test modules, those closest to the change first."""
    skipped: list[str]
    """Changed tests that need the platform."""


def changed_files(root: Path) -> list[str]:
    """Return the paths that differ from the merge base with main, including deleted ones."""
    known = _git(root, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes")
    main = next((name for name in MAINS if name in known), "HEAD")
    [base] = _git(root, "merge-base", main, "HEAD")
    differing = _git(root, "diff", "--name-only", "--no-renames", base)
    return sorted({*differing, *_git(root, "ls-files", "--others", "--exclude-standard")})


def tests_of(path: str, tests: Collection[str]) -> list[str]:
    """
    Return the test modules of a file.

    Args:
        path: path relative to the root of the repository, like those in *tests*.
        tests: all test modules.
    """
    if path in tests:
        return [path]
    file = PurePosixPath(path)
    if file.parts[0] == "tests":
        folder = file.parent.parent if file.parent.name == "support" else file.parent
        return sorted(each for each in tests if folder in PurePosixPath(each).parents)
    parts = list(file.with_suffix("").parts)
    if parts[:2] == ["plugins", "quartet"]:
        del parts[1]
    for end in range(len(parts) - 1, 0, -1):
        folder = PurePosixPath("tests", *parts[:end])
        siblings = sorted(each for each in tests if PurePosixPath(each).parent == folder)
        mirrors = {f"{folder}/test_{parts[end]}.py", f"{folder}/test_{folder.name}.py"}  # the latter for whole folders
        if found := [each for each in siblings if each in mirrors] or siblings:
            return found
    return []


def select(changed: Iterable[str], files: Collection[str]) -> Selection:
    """
    Return the linters and the tests to run.

    Args:
        changed: paths relative to the root.
        files: all files that exist.
    """
    changed = sorted(changed)
    python = [path for path in changed if path.endswith(".py") and path in files]
    lint = []
    if python:
        lint += [["ruff", "check", *python], ["ruff", "format", "--check", *python], ["lint-imports"]]
    if typed := [path for path in python if path.startswith(TYPED)]:
        lint.append(["pyright", *typed])
    if any(path.startswith(DOCUMENTED) for path in changed):
        lint.append(["python", "-m", "docs.build", "--check"])
    if LOCK & set(changed):
        lint.append(["python", "-m", "deploy.lock", "--check"])
    modules = {path for path in files if path.startswith("tests/") and PurePosixPath(path).match("test_*.py")}
    unit = {path for path in modules if not path.startswith(NO_UNIT_TESTS)}
    found = sorted((tests_of(path, unit) for path in changed if not path.startswith(NO_UNIT_TESTS)), key=len)
    tests = list(dict.fromkeys(test for each in found for test in each))
    return Selection(lint, tests, [path for path in changed if path in modules - unit])


def run(root: Path) -> bool:
    """Run linters and tests in parallel, print results and duration; return False if anything failed."""
    began = time.monotonic()
    changed = changed_files(root)
    files = _git(root, "ls-files", "--cached", "--others", "--exclude-standard")
    selection = select(changed, {path for path in files if (root / path).exists()})
    _print(f"{len(changed)} changed files, {len(selection.tests)} test modules")
    linters = [
        (command, _start(root, command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)) for command in selection.lint
    ]
    passed = not selection.tests or _test(root, selection.tests)
    for command, process in linters:
        output, _ = process.communicate()
        passed &= process.returncode == 0
        _print(f"{_verdict(process.returncode == 0)}: {' '.join(command)}")
        if process.returncode:
            _print(output)
    for path in selection.skipped:
        _print(f"skipped, since it needs the platform: {path}")
    _print(f"{_verdict(passed)} after {time.monotonic() - began:.0f} s")
    return passed


def _test(root: Path, tests: list[str]) -> bool:
    """Run test modules until they end or their time is up; return False if a test failed."""
    workers = ["-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder"] if len(tests) > FEW else []
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        options = ["-m", _marks(), f"--session-timeout={TEST_SECONDS}", f"--junitxml={results}"]
        command = ["python", "-m", "pytest", "-q", *workers, *options, *tests]
        _print(" ".join(command))
        code = _start(root, command).wait()
        if code in (0, NOTHING_COLLECTED):
            return True
        try:
            [suite] = ElementTree.parse(results).getroot()  # noqa: S314
        except FileNotFoundError:
            return False
    if code not in STOPPED or int(suite.get("failures", 1)) or int(suite.get("errors", 1)):
        return False
    _print(f"stopped after {TEST_SECONDS} s; make test runs the remaining tests")
    return True


def _marks() -> str:
    return "not e2e and not compose" + ("" if os.environ.get("QUARTET_REAL_DATA") else " and not real_data")


def _start(root: Path, command: list[str], **options: Any) -> subprocess.Popen[str]:
    program = str(Path(sys.executable).with_name(command[0]))
    return subprocess.Popen([program, *command[1:]], cwd=root, text=True, **options)  # noqa: S603


def _git(root: Path, *arguments: str) -> list[str]:
    command = ["git", "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.splitlines()  # noqa: S603


def _verdict(passed: bool) -> str:
    return "passed" if passed else "FAILED"


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(not run(ROOT))
