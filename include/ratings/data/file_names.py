"""Names of submitted files: `train-2019-05-09T16:33:25.613314.txt`, UTC, always six fraction digits."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

Prefix = Literal["train", "predict"]

PATTERN = re.compile(r"(train|predict)-[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}\.txt")

MAX_CLOCK_SKEW = timedelta(minutes=1)


def is_issued(name: str, prefix: Prefix) -> bool:
    """Whether *name* has the form of the names that the API issues."""
    return PATTERN.fullmatch(name) is not None and name.startswith(f"{prefix}-")


def was_issued_after(name: str, instant: str) -> bool:
    """
    Return whether the API issued *name* certainly after *instant*, whichever machine's clock was ahead.

    Args:
        name: of a file; one that the API has not issued was not issued after anything.
        instant: ISO 8601, with its zone.
    """
    if not is_issued(name, "train") and not is_issued(name, "predict"):
        return False
    try:
        issued = datetime.fromisoformat(name.partition("-")[2].removesuffix(".txt")).replace(tzinfo=UTC)
        return issued > datetime.fromisoformat(instant) + MAX_CLOCK_SKEW
    except (TypeError, ValueError):  # a date that does not exist, an instant without its zone
        return False


def candidates(prefix: Prefix, now: datetime) -> Iterator[str]:
    """Yield names from *now* (aware) on, a microsecond apart; the first that is free is to be used."""
    instant = now.astimezone(UTC)
    while True:
        yield f"{prefix}-{instant:%Y-%m-%dT%H:%M:%S.%f}.txt"
        instant += timedelta(microseconds=1)
