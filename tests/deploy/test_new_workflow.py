"""`make workflow`: a new workflow passes all checks, runs, and changes little of what is there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from difflib import ndiff
from pathlib import Path

import pytest

from deploy import new_workflow
from deploy.new_workflow.__main__ import NewWorkflowError, check_name
from include.core.settings import ROOT

NAME = "parcels"
MAX_CHANGED_LINES = 6
RUN = f"""
import warnings
warnings.simplefilter("ignore")
from airflow.utils.db import initdb
initdb()
from dags.{NAME} import {NAME}
from quartet.hooks.storage import StorageHook
from include.core.storage import write_whole
write_whole(StorageHook().path("{NAME}", "inbox", "a.txt"), b"1\\n2\\n")
dag = {NAME}()
dag.deadline = []  # dag.test() of Airflow 3.3.2 cannot store one whose reference comes from a plugin
run = dag.test(run_conf={{"max_files": 1}})
print("state", run.state.value)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a copy of the repository with a workflow more."""
    root = tmp_path_factory.mktemp("copy") / "quartet"
    line = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    (root / ".venv").symlink_to(ROOT / ".venv")
    done = run(root, sys.executable, "-m", new_workflow.__name__, NAME)
    assert done.returncode == 0, done.stdout
    assert f"wrote dags/{NAME}.py" in done.stdout
    yield root
    shutil.rmtree(root)


def run(root: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": f"{root}:{root / 'plugins'}"} | variables
    return subprocess.run(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def added(root: Path) -> list[str]:
    """Return the Python files that the new workflow has brought."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.py") if NAME in str(path.relative_to(root)))


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("lint-imports",),
        ("python", "-m", "docs.build", "--check"),
    ],
    ids=" ".join,
)
def test_lint_finds_nothing(copy: Path, command: tuple[str, ...]):
    done = run(copy, str(copy / ".venv/bin" / command[0]), *command[1:])
    assert done.returncode == 0, done.stdout


def test_its_types_are_right(copy: Path):
    done = run(
        copy, str(copy / ".venv/bin/pyright"), *[name for name in added(copy) if not name.startswith(("dags", "tests"))]
    )
    assert done.returncode == 0, done.stdout


def test_its_tests_pass_and_those_that_walk_all_workflows(copy: Path):
    own = [name for name in added(copy) if "/test_" in name]
    walks = ["tests/dags/test_dags.py", "tests/docs", "tests/plugins/api/test_authorisation.py"]
    line = ["-m", "pytest", "-q", *own, *walks, "-k", f"{NAME} or every or example or parsing"]
    done = run(copy, sys.executable, *line)
    assert done.returncode == 0, done.stdout
    assert "no tests ran" not in done.stdout


def test_a_run_of_it_succeeds(copy: Path, tmp_path: Path):
    done = run(
        copy,
        *(sys.executable, "-c", RUN),
        AIRFLOW_HOME=str(tmp_path),
        AIRFLOW__CORE__DAGS_FOLDER=str(copy / "dags"),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(copy / "plugins"),
        QUARTET_HOME=str(tmp_path / "quartet"),
    )
    assert "state success" in done.stdout, done.stdout
    [report] = (tmp_path / "quartet/data" / NAME / "reports").iterdir()
    assert json.loads(report.read_text())["lines"] == {"a.txt": 2}


def test_few_lines_that_were_there_change(copy: Path):
    made = {"docs/metrics.md", "docs/platform.md", ".env.example"}
    changed = []
    for path in copy.rglob("*"):
        name = str(path.relative_to(copy))
        if path.suffix in (".py", ".toml", ".md", ".yaml") and name not in made and (ROOT / name).is_file():
            before, after = (ROOT / name).read_text(), path.read_text()
            if before != after:
                lines = ndiff(before.splitlines(), after.splitlines())
                changed += [f"{name}: {line[2:]}" for line in lines if line.startswith("- ")]
    assert 0 < len(changed) <= MAX_CHANGED_LINES, changed


@pytest.mark.parametrize("name", ["Parcels", "1st", "class", "json", "ratings", "core", "a-b", "", "x" * 50])
def test_a_name_that_cannot_be_used_is_refused(name: str):
    with pytest.raises(NewWorkflowError, match=name or "was expected"):
        check_name(ROOT, name)
