"""The simplest program that follows the same rules: loops over all rows, in pure Python."""

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

Play = tuple[
    int | None, str | None, int | None, str | None, datetime | None, int | None, str | None, int | None
]  # fmt: skip
"""A row of the spins; its time is an instant in UTC."""
Listener = tuple[int | None, str | None, str | None, str | None, str | None, int | None]
Lines = tuple[list[str], list[str]]
"""Of the dataset in the order of their bytes, of the counts in the order of the file."""


def deliver(plays: list[Play], listeners: list[Listener], day: date, zone: str) -> tuple[dict[str, int], Lines]:
    """Return the metrics that depend on the rows, and the lines of both outputs."""
    local = ZoneInfo(zone)
    long = [play for play in plays if play[5] is not None and play[5] > 30]
    joined = [
        (play[7], *play[:7], *listener[1:])
        for play in long
        for listener in listeners
        if play[7] is not None and play[7] == listener[0]
    ]
    rows = set(joined)
    counts = Counter((row[12], row[10]) for row in rows)
    known = {listener[0] for listener in listeners} - {None}
    metrics = {
        "spins_read": len(plays),
        "rows_outside_day": sum(1 for play in plays if play[4] and play[4].astimezone(local).date() != day),
        "after_time_filter": len(long),
        "without_listener": sum(1 for play in long if play[7] not in known),
        "joined": len(joined),
        "deduplicated": len(rows),
        "analysis_groups": len(counts),
    }
    ordered = sorted(counts.items(), key=lambda item: [(part is not None, _bytes(part)) for part in item[0]])
    return metrics, (
        sorted(("\t".join(_text(value, local) for value in row) for row in rows), key=str.encode),
        ["\t".join([_text(zip_code, local), _text(kind, local), str(spins)]) for (zip_code, kind), spins in ordered],
    )


def _bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value or 0


def _text(value: Any, zone: ZoneInfo) -> str:
    if isinstance(value, datetime):
        text = value.replace(tzinfo=UTC).astimezone(zone).isoformat(timespec="milliseconds")
        return text.replace("+00:00", "Z")
    if isinstance(value, str):
        for character in "\t\r\n\0":
            value = value.replace(character, " ")
    return "" if value is None else str(value)
