"""Example of a valid call of a route, for the tests that cover all routes."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """A valid call of a route."""

    body: Any = None
    path: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    form: dict[str, str] | None = None
    """Fields of a form that a script of a page sends, in place of a body."""
