"""Files of sites: YAML with the keys and values of each site, not validated yet. A faulty site costs only itself."""

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from include.core.errors import BadDataError
from include.core.text import excerpt

_TOP_LEVEL = re.compile(r"""^(?:"[^"\n]*"|'[^'\n]*'|[^\s#"'{}\[\]%&*!|>@`,?-][^:\n]*?)[ \t]*:(?=\s|$)""", re.MULTILINE)
"""Beginning of a site in a file of one site after another."""


class SitesError(BadDataError):
    """An unknown site, or an invalid file of sites; the message names file, site and key."""


@dataclass(frozen=True)
class Entries:
    """What a file says about sites, by name."""

    sites: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Keys and values of each site."""
    errors: dict[str, SitesError] = field(default_factory=dict)
    """Sites without readable keys and values."""


def read(file: Path) -> Entries:
    """
    Read a file of sites.

    Raises:
        SitesError: the file as a whole cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SitesError(f"{file}: a readable file was expected, found: {error.strerror}") from None
    except ValueError as error:
        raise SitesError(f"{file}: YAML in UTF-8 was expected: {error}") from None
    entries = Entries()
    try:
        _add(entries, file, _parse(text))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        blocks = list(_blocks(text))
        if not blocks:
            raise SitesError(f"{file}: YAML was expected: {error}") from None
        _add_each(entries, file, blocks)
    return entries


def _parse(text: str) -> Any:
    return yaml.load(text, _Loader)  # noqa: S506 (a subclass of SafeLoader)


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number of lines before each site, and its text; nothing if the file is not one site after another."""
    begins = [found.start() for found in _TOP_LEVEL.finditer(text)]
    before = text[: begins[0]] if begins else text
    if all(not line.strip() or line.startswith(("#", "---")) for line in before.splitlines()):
        for begin, end in zip(begins, [*begins[1:], len(text)], strict=True):
            yield text.count("\n", 0, begin), text[begin:end]


def _add_each(entries: Entries, file: Path, blocks: list[tuple[int, str]]) -> None:
    """Read sites one by one, because one of them is not YAML."""
    for line, text in blocks:
        name = text.partition(":")[0].strip().strip("\"'")
        if name in entries.sites or name in entries.errors:
            entries.sites.pop(name, None)
            entries.errors[name] = _error(file, name, f"{name!r} occurs twice, again in line {line + 1}")
            continue
        try:
            _add(entries, file, _parse("\n" * line + text))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            entries.errors[name] = _error(file, name, f"YAML was expected: {error}")


def _add(entries: Entries, file: Path, content: Any) -> None:
    if content is not None and not isinstance(content, dict):
        raise SitesError(f"{file}: sites by name were expected, found {excerpt(content)}")
    for name, values in (content or {}).items():
        if not isinstance(name, str) or not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            wrong = f"keys with values were expected, found {excerpt(values)}{_hint(name)}"
            entries.errors[str(name)] = _error(file, name, wrong)
        elif "name" in values:
            wrong = "the name is the key of the site; no key `name` was expected"
            entries.errors[name] = _error(file, name, wrong)
        else:
            entries.sites[name] = values


def _hint(name: object) -> str:
    return "" if isinstance(name, str) else "; a name that YAML takes for something else must be in quotes"


def _error(file: Path, name: object, text: str) -> SitesError:
    return SitesError(f"{file}, site {name}: {text}")


class _Loader(yaml.SafeLoader):
    """Rejects duplicate keys, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)
