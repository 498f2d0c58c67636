"""How files of rules may be written: their encoding, their separator, the order and the form of their headers."""

import re
import unicodedata
from codecs import BOM_UTF16_BE, BOM_UTF16_LE

from include.audience.rules.ruleset import RulesError

SEPARATOR = re.compile(r'\ufeff?"?sep=([,;\t])"?[;,\t]*\r?(?:\n|\Z)', re.IGNORECASE)
"""The line with which Excel is told, and tells, the separator of a file."""


def decoded(content: bytes, name: str) -> str:
    """
    Return the text of a file, without a byte order mark: UTF-16 if it starts with that of UTF-16, otherwise UTF-8.

    Raises:
        RulesError: the content is neither; the message names the line.
    """
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8"
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "replace")
        found = f"{content[error.start]:#04x}"
        text = f"{encoding.upper()} text was expected, found the byte {found}"
        raise RulesError(f"{name}, line {before.count(chr(10)) + 1}: {text}") from None


def separator(text: str) -> str | None:
    """Return the separator that the first line states, such as `sep=;`; `None` if it states none."""
    found = SEPARATOR.match(text)
    return found[1] if found else None


def plain(field: str) -> str:
    """Return a header, or a match type, in its usual form: ASCII for full-width letters, without outer blanks."""
    return unicodedata.normalize("NFKC", field).strip()


def order(header: list[str], expected: list[str]) -> list[int] | None:
    """
    Return where each expected column is; `None` unless the header has all of them and no other.

    Case, outer blanks, full-width letters and the order do not matter.
    """
    found = [plain(field).lower() for field in header]
    return [found.index(name) for name in expected] if sorted(found) == sorted(expected) else None


def panel_name(field: str) -> str:
    """Return the name of a panel in composed letters, without its slash and the blanks at its end."""
    return unicodedata.normalize("NFC", field).removeprefix("\uff0f").removeprefix("/").rstrip(" \t\u3000")
