"""Speed of the tests: their distribution by pytest-xdist.

Tests that share a slow fixture are one group, so that one worker makes it once (`--dist loadgroup`). The groups begin
first (`--no-loadscope-reorder`); all other tests go one by one to the worker that is free.
"""

from collections.abc import Iterator

import pytest

from include.core.settings import ROOT

SLOW = ("platform", "spark", "airflow_home")
"""Fixtures of a session that take seconds; those with the longest tests first."""

LONG = ("plugins/api/test_roles.py", "deploy/test_new_workflow.py", "deploy/test_aws.py")
"""Files with long fixtures of their own, which begin before the other files."""
TESTS = ROOT / "tests"


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Set the groups and the order of the tests."""
    groups = {item: _group(item) for item in items}
    long = [str(TESTS / name) for name in LONG]
    files = dict.fromkeys([*long, *(str(item.path) for item in items)])
    ranks = {group: rank for rank, group in enumerate([*SLOW, *files, None])}
    items.sort(key=lambda item: ranks[groups[item]])
    for item, group in groups.items():
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
            if config.getoption("loadgroup", False) and hasattr(item, "_id"):
                # pytest-xdist 3.8 sets what pytest 9.2 no longer reads: github.com/pytest-dev/pytest-xdist/issues/1386
                item._id = type(item._id).parse(f"{item.nodeid}@{group}")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Check that the groups are in the ids, where pytest-xdist looks for them; without them all is slow, silently."""
    if session.config.getoption("loadgroup", False):
        lost = [
            item.nodeid for item in session.items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid
        ]
        if lost:
            raise pytest.UsageError(f"pytest-xdist does not group {len(lost)} tests, such as {lost[0]}")


def _group(item: pytest.Item) -> str | None:
    """Return the slow fixture of a session that a test uses, or its file if that is long or has its own fixture."""
    scopes = dict(_scopes(item))
    params = item.callspec.params.values() if hasattr(item, "callspec") else ()
    for name in SLOW:
        if scopes.get(name) == "session" or name in [each for each in params if isinstance(each, str)]:
            return name
    is_long = item.path in [TESTS / name for name in LONG]
    return str(item.path) if is_long or {"module", "class"} & set(scopes.values()) else None


def _scopes(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """Yield the name and scope of each fixture of ours that a test uses."""
    for name, definitions in item._fixtureinfo.name2fixturedefs.items():
        if definitions[-1].func.__module__.startswith("tests."):
            yield name, definitions[-1].scope
