"""Report of a day: what a run delivered, how, and from which sources; and its metrics."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from include.core.replay import seal
from include.core.storage import StoragePath, read_json, remove_object, write_json
from include.songs import layout

Values = Mapping[str, float | None]
"""Last part of a metric's name → value; `None` if it is not known."""


@dataclass(frozen=True)
class Report:
    """Report of a completed day; `None` for values that are not known."""

    day: str
    """ISO 8601, as all times here."""
    engine: str | None = None
    run_id: str | None = None
    """Name of the DAG run."""
    finished_at: str | None = None
    rows: int | None = None
    """Rows of the dataset."""
    groups: int | None = None
    """Rows of the counts."""
    metrics: dict[str, Any] | None = None
    """The metrics of the job, as `JobMetrics.report` returns them; empty if it has left none."""
    spins: dict[str, Any] | None = None
    """The `Version` of the spins, as JSON."""
    listeners: dict[str, Any] | None = None
    """The `Version` of the listeners, as JSON."""
    minrows: int | None = None
    """Fewest rows of a valid dataset, in that run."""
    code: str | None = None
    """Version of the code that ran, as `code_version` returns it."""
    outputs: dict[str, str] | None = None
    """Checksums of the files `dataset` and `counts`."""

    def as_json(self) -> dict[str, Any]:
        """Return the report in types of JSON."""
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """Return what a task passes on of the report."""
        return {name: getattr(self, name) for name in ("day", "engine", "rows", "groups")}

    def values(self) -> Values:
        """Return the metrics of the day."""
        found = self.metrics or {}
        return {
            "rows": self.rows,
            "groups": self.groups,
            "plays_outside_day": found.get("rows_outside_day"),
            "plays_without_listener": found.get("without_listener"),
            "engine_seconds": sum(found.get("seconds", {}).values()),
        }


def write(root: StoragePath, day: date, report: Report) -> None:
    """Write the report of a day and its seal, whole or not at all; an earlier one is replaced."""
    found = report.as_json()
    write_json(layout.seal_file(root, day), {"seal": seal(found)})
    write_json(layout.report_file(root, day), found)


def read(root: StoragePath, day: date) -> Report | None:
    """Return the report of a day; `None`: there is none. Outputs that were removed leave their report behind."""
    if (found := read_json(layout.report_file(root, day))) is None:
        return None
    known: dict[str, Any] = {field.name: found[field.name] for field in fields(Report) if field.name in found}
    return Report(**{"day": day.isoformat(), **known})


def is_sealed(root: StoragePath, day: date) -> bool | None:
    """Return whether a day's report is what a run has written; `None`: it was written before reports were sealed."""
    known = read_json(layout.seal_file(root, day))
    return None if known is None else known["seal"] == seal(read_json(layout.report_file(root, day)) or {})


def remove(root: StoragePath, day: date) -> None:
    """Remove the report of a day, if there is one."""
    remove_object(layout.report_file(root, day))


def lag(root: StoragePath, now: datetime, zone: ZoneInfo) -> Values:
    """Return the hours since the end of the newest completed day, as a metric; empty if there is none."""
    newest = max(layout.reported_days(root), default=None)
    if newest is None:
        return {}
    end = datetime.combine(newest + timedelta(days=1), time(), zone)
    return {"data_lag_hours": (now - end).total_seconds() / 3600}
