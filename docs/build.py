"""Write what is documented in the code: a page for each workflow and `.env.example`.

python -m docs.build            write them (make docs)
python -m docs.build --check    fail when one of them is out of date (make lint)
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic_core import PydanticUndefined

from deploy.settings import HOUSEKEEPING, SECTIONS
from include.core.settings import ROOT, Settings
from include.core.workflow import rules_table, state_metrics_table
from include.workflows import WORKFLOWS, metrics

TITLES = {workflow.name: workflow.title for workflow in WORKFLOWS} | {"platform": "Platform"}
FURTHER_SETTINGS = {"platform": [HOUSEKEEPING]}
"""Sections of settings that stand on a page besides the one with its title."""
TABLES = {"housekeeping": rules_table, "platform_metrics": state_metrics_table}
"""DAG → what makes the rows `{tasks}` in its docstring."""
MADE = "<!-- made by `make docs` from the code; do not edit -->\n"


def main() -> int:
    """Write or check all files; 1 if a check failed."""
    check = "--check" in sys.argv[1:]
    stale = []
    for path, content in pages().items():
        if path.exists() and path.read_text() == content:
            continue
        if check:
            stale.append(str(path.relative_to(ROOT)))
        else:
            path.write_text(content)
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; write them with: make docs\n")
    return 1 if stale else 0


def pages() -> dict[Path, str]:
    """Give path → content of all made files."""
    found = {ROOT / ".env.example": env_example(), ROOT / "docs" / "metrics.md": metrics_page()}
    for workflow, title in TITLES.items():
        found[ROOT / "docs" / f"{workflow}.md"] = page(workflow, title)
    return found


def page(workflow: str, title: str) -> str:
    """Make the page of a workflow: what it is, its DAGs, its API, its settings."""
    about = ROOT / "include" / workflow / "README.md"
    intro = [about.read_text()] if about.exists() else []
    parts = [MADE, f"# {title}\n", *intro, *dag_docs(workflow), *api_docs(workflow), settings_table(SECTIONS[title])]
    parts += [
        settings_table(SECTIONS[name], f"Settings: {name.lower()}") for name in FURTHER_SETTINGS.get(workflow, [])
    ]
    return "\n".join(parts)


def dag_docs(workflow: str) -> Iterator[str]:
    """Give the documentation of the DAGs that have the workflow's name as a tag."""
    for path in sorted((ROOT / "dags").glob("*.py")):
        tree = ast.parse(path.read_text())
        tags = [
            ast.literal_eval(keyword.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            for keyword in node.keywords
            if keyword.arg == "tags" and isinstance(keyword.value, ast.List)
        ]
        if tags and workflow in tags[0]:
            text = ast.get_docstring(tree) or ""
            if make_rows := TABLES.get(path.stem):
                text = text.format(tasks=make_rows(WORKFLOWS))
            text = text.replace("\n# ", "\n## ")
            yield f"#{text}\n\nDAG `{path.stem}`, in [dags/{path.name}](../dags/{path.name}).\n"


def api_docs(workflow: str) -> Iterator[str]:
    """Give the table of the workflow's web routes, if it has any."""
    folder = ROOT / "plugins" / "quartet" / "api" / workflow
    rows = [
        f"| `{method.upper()} /{workflow}{route.replace(':path', '')}` | {text} |"
        for path in (folder / "app.py", folder / "routes.py")
        if path.exists()
        for method, route, text in routes(ast.parse(path.read_text()))
    ]
    if not rows:
        return
    intro = f"Shapes and a form to try each are at `/{workflow}/docs` of a running platform."
    yield "\n".join(["## API\n", f"{intro}\n", "| call | what it does |", "|---|---|", *rows, ""])


def routes(tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """
    Give method, path and the docstring's first line of each function below `@router.get(…)` and its like.

    Routes with `include_in_schema=False` are left out.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for call in node.decorator_list:
                match call:
                    case ast.Call(
                        ast.Attribute(ast.Name("app" | "router"), method), [ast.Constant(str(route)), *_], keywords
                    ):
                        if not is_hidden(keywords):
                            yield method, route, (ast.get_docstring(node) or "").split("\n")[0]


def is_hidden(keywords: list[ast.keyword]) -> bool:
    """Tell whether the keywords of a route's decorator have `include_in_schema=False`."""
    found = {keyword.arg: keyword.value for keyword in keywords}
    match found.get("include_in_schema"):
        case ast.Constant(False):
            return True
    return False


def metrics_page() -> str:
    """Make the page of all figures."""
    rows = [
        f"| `{name}` | {each.unit} | {', '.join(f'`{tag}`' for tag in each.tags)} | {each.what} | {each.worry} |"
        for name, each in metrics().items()
    ]
    about = (
        "What the workflows report besides Airflow's own metrics; [operations.md](operations.md#metrics) says how to\n"
        "have them sent. The collector gets each as a gauge under Airflow's prefix, as `airflow.ratings.queue_files`;\n"
        "only `alerts.deadline_missed` is a counter. Without a collector they stand in the logs of the tasks.\n"
    )
    heading = ["| name | unit | tags | what it is | when to look |", "|---|---|---|---|---|"]
    return "\n".join([MADE, "# Metrics\n", about, *heading, *rows, ""])


def settings_table(section: list[type[Settings]], heading: str = "Settings") -> str:
    """Return the table of the settings in a section."""
    rows = [
        f"| `{settings.variable(name)}` | {default(settings, name) or 'empty'} | {describe(settings, name)} |"
        for settings in section
        for name in settings.model_fields
    ]
    return "\n".join([f"## {heading}\n", "| variable | default | what it is |", "|---|---|---|", *rows, ""])


def env_example() -> str:
    """Make `.env.example`: every setting with its default, commented out."""
    lines = [
        "# All settings. Copy this file to .env and change what you need; the environment wins over .env.",
        "# Made by `make docs` from the settings classes; do not edit.",
    ]
    for title, section in SECTIONS.items():
        lines.append(f"\n# --- {title} ---")
        for settings in section:
            for name in settings.model_fields:
                lines.append(f"\n# {describe(settings, name)}\n# {settings.variable(name)}={default(settings, name)}")
    return "\n".join(lines) + "\n"


def describe(settings: type[Settings], name: str) -> str:
    """Give the description of a setting, as one line."""
    return re.sub(r"\s+", " ", settings.model_fields[name].description or "")


def default(settings: type[Settings], name: str) -> str:
    """Give the default of a setting as it would stand in `.env`."""
    value = settings.model_fields[name].default
    if value is PydanticUndefined or value in ("", None):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(value)
    return str(value).removeprefix(f"{ROOT}/")


if __name__ == "__main__":
    sys.exit(main())
