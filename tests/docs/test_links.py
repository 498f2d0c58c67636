"""Links between the pages, and the paths in the glossary."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core.settings import ROOT

FOLDERS = (".", "docs", "docs/decisions", "deploy/aws", "deploy/helm")
PAGES = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.md"))
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()


def links(page: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield the file and the fragment of each relative link."""
    for target, fragment in LINK.findall(CODE.sub("", page.read_text())):
        if "://" not in target:
            yield (page.parent / target if target else page), fragment or None


def anchors(page: Path) -> set[str]:
    """Return the fragments of a page's headings, as GitHub builds them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    assert [str(target) for target, _ in links(page) if not target.exists()] == []
    pages = [(target, fragment) for target, fragment in links(page) if fragment and target.suffix == ".md"]
    assert [fragment for target, fragment in pages if fragment not in anchors(target)] == []


def test_the_paths_in_the_glossary_exist():
    paths = re.findall(r"`((?:dags|deploy|include|plugins)/[\w/.]+)`", GLOSSARY)
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []
