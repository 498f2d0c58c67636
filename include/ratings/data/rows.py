"""Rows as users send them: `user movie rating timestamp` to train on, `user movie` to predict.

The same rules hold for a row of a request and for a line of a file.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from include.core.errors import BadDataError
from include.core.text import excerpt
from include.ratings.errors import BadRowsError

ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
INTEGER = re.compile(r"[0-9]{1,18}")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
BINARY = {
    b"\x1f\x8b": "a gzip file; unpack it first",
    b"PK\x03\x04": "a zip file; unpack it first",
    b"\x28\xb5\x2f\xfd": "a zstd file; unpack it first",
    b"BZh": "a bzip2 file; unpack it first",
    b"\xfd7zXZ": "an xz file; unpack it first",
    b"7z\xbc\xaf": "a 7z file; unpack it first",
    b"PAR1": "a Parquet file; save it as text",
    b"\xef\xbb\xbf": "a byte order mark; save it as UTF-8 without one",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}
"""First bytes of files that are dropped by mistake."""
DECIMAL_ID = re.compile(r"[0-9]+\.0+")
"""An id that was a number with a fraction on the way, as pandas writes a column in which one is missing."""
BLANKS = re.compile(r"[ \t]+")

T = TypeVar("T")

MIN_STARS, MAX_STARS = 1.0, 5.0
"""The rating scale."""
MAX_ERRORS = 10
"""Number of bad rows that are reported at once."""


class Rating(NamedTuple):
    """One rating; ids are text ("233", never 233)."""

    user: str
    movie: str
    stars: float
    """1.0 to 5.0."""
    timestamp: int
    """Seconds since 1970."""


class Pair(NamedTuple):
    """A user and a movie whose rating is to be predicted."""

    user: str
    movie: str


def parse_rating(row: str) -> Rating:
    """
    Read `user movie rating timestamp`; blanks and tabs around and between the fields do not matter.

    Raises:
        BadDataError: with what was found and what was expected.
    """
    user, movie, stars, timestamp = _fields(row, "user movie rating timestamp")
    if not DECIMAL.fullmatch(stars):
        raise BadDataError(f"rating: a plain decimal number was expected, found {excerpt(stars)}")
    if not MIN_STARS <= float(stars) <= MAX_STARS:
        raise BadDataError(f"rating: a number from 1 to 5 was expected, found {excerpt(stars)}")
    if not INTEGER.fullmatch(timestamp):
        raise BadDataError(f"timestamp: a whole number of seconds from 0 was expected, found {excerpt(timestamp)}")
    return Rating(_id("user", user), _id("movie", movie), float(stars), int(timestamp))


def parse_pair(row: str) -> Pair:
    """
    Read `user movie`; blanks and tabs around and between the fields do not matter.

    Raises:
        BadDataError: with what was found and what was expected.
    """
    user, movie = _fields(row, "user movie")
    return Pair(_id("user", user), _id("movie", movie))


def parse_all(rows: Iterable[str], parse: Callable[[str], T], max_errors: int = MAX_ERRORS) -> list[T]:
    """
    Read all rows or none.

    Raises:
        BadRowsError: some rows are bad; it names the first *max_errors* of them.
    """
    parsed, errors = [], []
    for index, row in enumerate(rows):
        try:
            parsed.append(parse(row))
        except BadDataError as error:
            errors.append((index, str(error)))
            if len(errors) == max_errors:
                break
    if errors:
        raise BadRowsError(errors)
    return parsed


def parse_file(content: bytes, parse: Callable[[str], T]) -> list[T]:
    """
    Read a file with one row a line.

    Raises:
        BadDataError: the file is empty or not UTF-8, or a line is bad; the message names the line, from 1, and the
            likely cause.
    """
    for magic, kind in BINARY.items():
        if content.startswith(magic):
            raise BadDataError(f"line 1: rows of UTF-8 text were expected, found {kind}")
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadDataError(
            f"line {line}: UTF-8 text was expected, found the byte {content[error.start]:#04x}"
        ) from None
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise BadDataError("line 1: at least one row was expected, found an empty file")
    try:
        return parse_all(lines, parse, max_errors=1)
    except BadRowsError as error:
        index, reason = error.errors[0]
        raise BadDataError(f"line {index + 1}: {reason}{_likely_cause(lines[index], index)}") from None


def _likely_cause(line: str, index: int) -> str:
    """Return what is known to go wrong with such a line, for the end of a message; empty: nothing."""
    if not line.strip():
        return " (an empty line)"
    if line.find("\r") == len(line) - 1:
        return " (the lines end as those of Windows do, CR LF; only LF is allowed)"
    if "\r" in line:
        return " (the lines end as those of old Macs do, CR; only LF is allowed)"
    if "::" in line:
        return " (the fields are separated by ::; blanks or tabs are allowed)"
    if separator := next((each for each in ",;|" if each in line), None):
        return f" (the fields are separated by {separator!r}; blanks or tabs are allowed)"
    if index == 0 and not any(character.isdigit() for character in line) and len(line.split()) > 1:
        return " (a header? only rows are allowed)"
    return ""


def normalised(row: str) -> str:
    """Return the fields of a good row with single blanks between them."""
    return " ".join(BLANKS.split(row.strip(" \t")))


def _fields(row: str, names: str) -> list[str]:
    if found := CONTROL.search(row):
        raise BadDataError(f"no control characters were expected, found {found.group()!a}")
    fields = BLANKS.split(row.strip(" \t")) if row.strip(" \t") else []
    expected = names.count(" ") + 1
    if len(fields) != expected:
        raise BadDataError(f"{expected} fields ({names}) were expected, found {len(fields)}")
    return fields


def _id(name: str, value: str) -> str:
    if not ID.fullmatch(value):
        raise BadDataError(f"{name}: 1 to 64 of A-Z a-z 0-9 _ . : - were expected, found {excerpt(value)}")
    return value
