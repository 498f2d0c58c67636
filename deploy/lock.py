"""The lock: `requirements.txt`, with hashes, made from `pyproject.toml`.

Its first line holds a digest of what it was made from and of what was made. So a check needs no network, and gives no
alarm when a newer release appears: it fails if the dependencies or the lock were changed without `make lock`.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND = ["pip", "compile", "pyproject.toml", "--group", "dev", "--universal", "--generate-hashes"]
MARK = "# lock "


def digest(pyproject: str, lock: str) -> str:
    """
    Give the digest of the dependencies in *pyproject* and of the requirements in *lock*.

    Comments, white space and the order of the dependencies do not matter.
    """
    asked = tomllib.loads(pyproject)
    project = asked["project"]
    inputs = {
        "python": project["requires-python"],
        "dependencies": sorted(project["dependencies"]),
        "groups": {name: sorted(map(str, group)) for name, group in sorted(asked["dependency-groups"].items())},
        "uv": asked.get("tool", {}).get("uv", {}),
    }
    lines = [line.strip() for line in lock.splitlines()]
    content = "\n".join(line for line in lines if line and not line.startswith("#"))
    return hashlib.sha256(f"{json.dumps(inputs, sort_keys=True)}\n{content}".encode()).hexdigest()


def sign(pyproject: str, lock: str) -> str:
    """Put the digest on top of *lock*, in the place of an older one."""
    body = "".join(line for line in lock.splitlines(keepends=True) if not line.startswith(MARK))
    return f"{MARK}{digest(pyproject, body)}\n{body}"


def in_step(pyproject: str, lock: str) -> bool:
    """Say whether *lock* is what `make lock` made from these dependencies."""
    return lock.startswith(f"{MARK}{digest(pyproject, lock)}\n")


def write(root: Path, upgrade: bool) -> None:
    """
    Resolve the dependencies and write the lock; pins that still fit are kept unless *upgrade*.

    Raises:
        subprocess.CalledProcessError: they cannot be resolved; the old lock stays.
    """
    lock = root / "requirements.txt"
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder) / lock.name
        if lock.exists():
            shutil.copy(lock, aside)
        options = ["--exclude-newer", "2 days", "--custom-compile-command", "make lock", "--no-progress", "--quiet"]
        line = [sys.executable, "-m", "uv", *COMMAND, *options, "--output-file", str(aside)]
        subprocess.run([*line, *(["--upgrade"] if upgrade else [])], cwd=root, check=True)  # noqa: S603
        text = sign((root / "pyproject.toml").read_text(), aside.read_text())
    partial = lock.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(lock)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write the lock, or check it; return 1 if it is out of step or cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m deploy.lock", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the lock is in step")
    parser.add_argument("--upgrade", action="store_true", help="take newer releases")
    options = parser.parse_args(arguments)
    if options.check:
        if in_step((root / "pyproject.toml").read_text(), (root / "requirements.txt").read_text()):
            return 0
        sys.stderr.write("requirements.txt is out of step with pyproject.toml: make lock\n")
        return 1
    try:
        write(root, options.upgrade)
    except subprocess.CalledProcessError as error:
        sys.stderr.write("the dependencies cannot be resolved; requirements.txt is as it was\n")
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
