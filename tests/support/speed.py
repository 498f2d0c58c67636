"""Speed of the tests: their distribution by pytest-xdist, and the selection measured for coverage.

Tests that share a slow fixture are one group, so that one worker makes it once (`--dist loadgroup`). The groups begin
first (`--no-loadscope-reorder`); all other tests go one by one to the worker that is free.
"""

from collections.abc import Iterator

import pytest

SLOW = ("platform", "spark", "airflow_home")
"""Fixtures of a session that take seconds; those with the longest tests first."""


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set the groups and the order of the tests."""
    groups = {item: _group(item) for item in items}
    files = dict.fromkeys(str(item.path) for item in items)
    ranks = {group: rank for rank, group in enumerate([*SLOW, *files, None])}
    items.sort(key=lambda item: ranks[groups[item]])
    for item, group in groups.items():
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
        if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.no_cover)  # it runs the same lines again and again, and others run them too


def _group(item: pytest.Item) -> str | None:
    """Return the slow fixture of a session that a test uses, or its file if that has a fixture of its own."""
    scopes = dict(_scopes(item))
    params = item.callspec.params.values() if hasattr(item, "callspec") else ()
    for name in SLOW:
        if scopes.get(name) == "session" or name in [each for each in params if isinstance(each, str)]:
            return name
    return str(item.path) if {"module", "class"} & set(scopes.values()) else None


def _scopes(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """Yield the name and scope of each fixture of ours that a test uses."""
    for name, definitions in item._fixtureinfo.name2fixturedefs.items():
        if definitions[-1].func.__module__.startswith("tests."):
            yield name, definitions[-1].scope
