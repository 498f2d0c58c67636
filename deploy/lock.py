"""The lock: `requirements.txt`, with hashes, resolved from `pyproject.toml`.

Its first line holds a digest of the dependencies and of the lock itself. The check therefore needs no network and does
not fail when a newer release appears; it fails if the dependencies or the lock were changed without `make lock`.
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
    Return the digest of the dependencies in *pyproject* and the requirements in *lock*.

    Comments, white space and the order of the dependencies do not matter.
    """
    declared = tomllib.loads(pyproject)
    project = declared["project"]
    inputs = {
        "python": project["requires-python"],
        "dependencies": sorted(project["dependencies"]),
        "groups": {name: sorted(map(str, group)) for name, group in sorted(declared["dependency-groups"].items())},
        "uv": declared.get("tool", {}).get("uv", {}),
    }
    lines = [line.strip() for line in lock.splitlines()]
    content = "\n".join(line for line in lines if line and not line.startswith("#"))
    return hashlib.sha256(f"{json.dumps(inputs, sort_keys=True)}\n{content}".encode()).hexdigest()


def sign(pyproject: str, lock: str) -> str:
    """Return *lock* with the digest as its first line, in place of an older one."""
    body = "".join(line for line in lock.splitlines(keepends=True) if not line.startswith(MARK))
    return f"{MARK}{digest(pyproject, body)}\n{body}"


def is_current(pyproject: str, lock: str) -> bool:
    """Check that *lock* is what `make lock` wrote for these dependencies."""
    return lock.startswith(f"{MARK}{digest(pyproject, lock)}\n")


def write(root: Path, upgrade: bool) -> None:
    """
    Resolve the dependencies and write the lock; pins that still fit are kept unless *upgrade*.

    Raises:
        subprocess.CalledProcessError: the dependencies cannot be resolved; the old lock is kept.
    """
    lock = root / "requirements.txt"
    with tempfile.TemporaryDirectory() as folder:
        resolved = Path(folder) / lock.name
        if lock.exists():
            shutil.copy(lock, resolved)
        options = ["--exclude-newer", "2 days", "--custom-compile-command", "make lock", "--no-progress", "--quiet"]
        line = [sys.executable, "-m", "uv", *COMMAND, *options, "--output-file", str(resolved)]
        subprocess.run([*line, *(["--upgrade"] if upgrade else [])], cwd=root, check=True)  # noqa: S603
        text = sign((root / "pyproject.toml").read_text(), resolved.read_text())
    partial = lock.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(lock)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write or check the lock; return 1 if it is out of date, or uv's exit code if it cannot be resolved."""
    parser = argparse.ArgumentParser(prog="python -m deploy.lock", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only check that the lock is up to date")
    parser.add_argument("--upgrade", action="store_true", help="upgrade to newer releases")
    options = parser.parse_args(arguments)
    if options.check:
        if is_current((root / "pyproject.toml").read_text(), (root / "requirements.txt").read_text()):
            return 0
        sys.stderr.write("requirements.txt is out of date with pyproject.toml; run make lock\n")
        return 1
    try:
        write(root, options.upgrade)
    except subprocess.CalledProcessError as error:
        sys.stderr.write("the dependencies cannot be resolved; requirements.txt was not changed\n")
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
