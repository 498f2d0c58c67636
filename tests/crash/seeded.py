"""
Prove that the net catches: seed bugs, one at a time, and print what finds each.

    make crash-seeded                       all of them
    python -m tests.crash.seeded lost-fsync
    python -m tests.crash.seeded --kill-tests   what the tests of kills outside tests/crash find

Each patch in `seeded/` is applied to a copy of the tree; the harness tries its workflow there until a case fails.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.crash.harness import Harness

ROOT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).with_name("seeded")
KILLS = "(kill or dies or die_ or died or rerun or again or twice or durabl or interrupt) and not names_its_files"
"""Words in the names of the tests of kills and repeated runs that were there before this folder."""
SECONDS = 600


@dataclass(frozen=True)
class Bug:
    """A seeded bug."""

    name: str
    text: str
    workflow: str

    @classmethod
    def read(cls, path: Path) -> "Bug":
        """Read the head of a patch."""
        text, workflow = re.match(r"(.+)\n\nWorkflow: (\w+)\n\n", path.read_text()).groups()  # pyright: ignore
        return cls(path.stem, text, workflow)


def bugs(names: list[str] | None = None) -> list[Bug]:
    """Return all bugs, or those with these names."""
    return [Bug.read(path) for path in sorted(PATCHES.glob("*.patch")) if not names or path.stem in names]


def copy_with(bug: Bug, folder: Path) -> Path:
    """Return a copy of the tree with a bug."""
    tree = folder / "tree"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, tracked.stdout.split("\0")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    subprocess.run(["git", "apply", str(PATCHES / f"{bug.name}.patch")], cwd=tree, check=True)
    return tree


def found_by_harness(bug: Bug) -> str:
    """Return the first case that finds a bug; empty if none does."""
    return _run(bug, [sys.executable, "-m", "tests.crash.seeded", "--first", bug.workflow])


def found_by_kill_tests(bug: Bug) -> str:
    """Return the test that finds a bug, of those of kills that are not in this folder; empty if none does."""
    folders = [f"tests/include/{bug.workflow}", "tests/include/core"]
    options = ["-q", "-x", "--no-header", "-p", "no:cacheprovider", "-m", "not crash and not e2e", "-k", KILLS]
    output = _run(bug, [sys.executable, "-m", "pytest", *options, *folders])
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    return failed[1].rpartition("/")[2] if failed else ""


def first_problem(workflow: str) -> str:
    """Return the first case of a workflow whose end is wrong, with what is wrong."""
    from tests.crash.test_effects import SCENARIOS

    with tempfile.TemporaryDirectory() as folder:
        harness = Harness(SCENARIOS[workflow](), Path(folder) / "harness")
        harness.folder.mkdir()
        harness.record()
        for case in harness.cases():
            if problem := harness.try_case(case):
                return f"{case}\t{problem.splitlines()[-1][:120]}"
    return ""


def _run(bug: Bug, command: list[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_with(bug, Path(folder))
        environment = os.environ | {
            "PYTHONPATH": f"{tree}:{tree / 'plugins'}",
            "AIRFLOW_HOME": f"{folder}/airflow",
            "QUARTET_HOME": f"{folder}/quartet",
        }
        found = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        lines = found.stdout.strip().splitlines()
        if "--first" in command:
            if found.returncode:
                return f"undisturbed\t{found.stderr.strip().splitlines()[-1][:120]}"
            return next((line.removeprefix("FOUND ") for line in lines if line.startswith("FOUND ")), "")
        return found.stdout


def main(arguments: list[str]) -> int:
    """Print a table of the bugs and what finds each."""
    if arguments[:1] == ["--first"]:
        problem = first_problem(arguments[1])
        print(f"FOUND {problem}" if problem else "nothing")
        return 0
    find: Callable[[Bug], str] = found_by_harness
    if arguments[:1] == ["--kill-tests"]:
        find, arguments = found_by_kill_tests, arguments[1:]
    chosen, caught = bugs(arguments), 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for bug, found in zip(chosen, pool.map(find, chosen), strict=True):
            caught += bool(found)
            print(f"| {bug.name} | {bug.text} | {found.replace(chr(9), ' | ') or '-'} |", flush=True)
    print(f"{caught} of {len(chosen)} are found")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
