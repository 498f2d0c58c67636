"""
Write the skeleton of a new workflow: `make workflow NAME=parcels`, or `python -m deploy.new_workflow parcels`.

It renders `template/`, whose paths and contents have the placeholders `$name`, `$NAME`, `$Class` and `$title`, and adds
the workflow to the few lists that cannot be derived: `include/workflows.py`, the import contracts and the operations
page.
"""

import argparse
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template

from include.core.settings import ROOT
from include.workflows import WORKFLOWS

TEMPLATE = Path(__file__).with_name("template")
SUFFIX = ".txt"
"""Suffix of templates, so that no tool mistakes them for Python."""
TAKEN = {
    "common",
    "core",
    "workflows",
    "housekeeping",
    "platform",
    "platform_metrics",
    "quartet",
    "auth",
    "api",
    "ui",
    "static",
}
"""Names that are used by a package, a DAG or a route of the platform."""


class NewWorkflowError(ValueError):
    """The name cannot be used, or the workflow cannot be registered because the repository has changed."""


def main() -> int:
    """Write the skeleton and print the next steps; return 1 if the name cannot be used."""
    parser = argparse.ArgumentParser(prog="make workflow", description="write the skeleton of a new workflow")
    parser.add_argument("name", help="name in lower case, such as parcels")
    parser.add_argument("--title", help="title for people; default: the name as words")
    given = parser.parse_args()
    try:
        written = create(ROOT, given.name, given.title)
    except NewWorkflowError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"wrote {path.relative_to(ROOT)}\n" for path in written)
    sources = [str(path) for path in written if path.suffix == ".py"]
    for command in (
        ["ruff", "check", "--quiet", "--fix", "--select", "I", *sources],
        ["ruff", "format", "--quiet", *sources],
        ["docs.build"],
    ):
        subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True)  # noqa: S603 - our own commands
    sys.stdout.write('next: make check, then "Add a workflow" in CONTRIBUTING.md\n')
    return 0


def create(root: Path, name: str, title: str | None = None) -> list[Path]:
    """
    Write the files of a workflow and register it.

    Args:
        root: the repository.
        name: name of its packages, DAG and routes: lower-case letters, digits and `_`.
        title: title for people; `None`: the name as words.

    Returns:
        The files written, in order.

    Raises:
        NewWorkflowError: the name cannot be used; nothing was written.
    """
    check_name(root, name)
    words = {
        "name": name,
        "NAME": name.upper(),
        "Class": "".join(part.title() for part in name.split("_")),
        "title": title or name.replace("_", " ").capitalize(),
    }
    edits = dict(registered(root, **words))
    written = []
    for source in sorted(TEMPLATE.rglob(f"*{SUFFIX}")):
        relative = Template(str(source.relative_to(TEMPLATE)).removesuffix(SUFFIX)).substitute(words)
        target = root / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(source.read_text()).substitute(words))
        written.append(target)
    for path, content in edits.items():
        path.write_text(content)
    return [*written, *edits]


def check_name(root: Path, name: str) -> None:
    """Check that a workflow can have this name; raises `NewWorkflowError` if not."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,40}", name) or keyword.iskeyword(name) or name in sys.stdlib_module_names:
        raise NewWorkflowError(
            f"a name such as parcels was expected (a-z, 0-9, _; no keyword or module of Python), found {name!r}"
        )
    if name in TAKEN | {workflow.name for workflow in WORKFLOWS}:
        raise NewWorkflowError(f"the name {name} is taken")
    for path in (root / "include" / name, root / "dags" / f"{name}.py"):
        if path.exists():
            raise NewWorkflowError(f"{path} already exists")


def registered(root: Path, name: str, NAME: str, title: str, **_: str) -> Iterator[tuple[Path, str]]:
    """Yield the files that list the workflows, with the new one added."""
    path = root / "include" / "workflows.py"
    text = path.read_text()
    import_line = f"from include.{name}.workflow import WORKFLOW as {NAME}\n"
    text = changed(path, text, r"(?m)^(from include\.core\.workflow import .*\n)", rf"\1{import_line}")
    yield path, changed(path, text, r"(?m)^(WORKFLOWS\b.* = \(.*)\)$", rf"\1, {NAME})")

    path = root / "pyproject.toml"
    text, names = path.read_text(), " | ".join(workflow.name for workflow in WORKFLOWS)
    if text.count(f'"{names}"') != 2:
        raise NewWorkflowError(f"{path}: two layers {names!r} were expected")
    yield path, text.replace(f'"{names}"', f'"{names} | {name}"')

    path = root / "docs" / "operations.md"
    row = f"| `{name}` | 2 hours | `QUARTET_DEADLINE_MINUTES` |\n"
    text = changed(path, path.read_text(), r"(?m)^(\| `song_plays` \|.*\n)", rf"\1{row}")
    advice = f"**`{name}` failed.** Describe the effect, what continues meanwhile, and what to do.\n\n"
    yield path, changed(path, text, r"(?m)^(\*\*`housekeeping` failed)", rf"{advice}\1")


def changed(path: Path, text: str, pattern: str, replacement: str) -> str:
    """Return *text* with the one match of *pattern* replaced; raises `NewWorkflowError` if there is none or more."""
    found, count = re.subn(pattern, replacement, text)
    if count != 1:
        raise NewWorkflowError(f"{path}: one line like {pattern!r} was expected, found {count}")
    return found


if __name__ == "__main__":
    sys.exit(main())
