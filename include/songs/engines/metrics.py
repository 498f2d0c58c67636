"""Counts and durations of a job; the same for both engines."""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

log = logging.getLogger(__name__)


@dataclass
class JobMetrics:
    """Metrics of a job; a number is 0 until it is known."""

    engine: str
    day: date
    minrows: int
    report_timezone: str
    spins_read: int = 0
    rows_outside_day: int = 0
    """Spins whose date in the reporting zone is another one; those without a time are not counted."""
    after_time_filter: int = 0
    without_listener: int = 0
    """Long plays whose listener is missing or unknown."""
    joined: int = 0
    """Pairs of a long play and a row of its listener."""
    deduplicated: int = 0
    """Rows of the dataset: distinct pairs."""
    analysis_groups: int = 0
    rows_not_utf8: int = 0
    """Long plays, and rows of listeners, with a text that is not UTF-8; its wrong bytes became U+FFFD."""
    listeners_sha256: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    """Step → its duration."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure the duration of a step."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - began, 3)

    def update(self, found: Mapping[str, Any]) -> None:
        """Set metrics by their names."""
        for name, value in found.items():
            setattr(self, name, value)

    def report(self) -> dict[str, Any]:
        """Log the metrics, and return them in types of JSON."""
        found = asdict(self) | {"day": self.day.isoformat()}
        log.info("song plays: %s", json.dumps(found))
        if self.rows_outside_day:
            of = (self.rows_outside_day, self.spins_read, self.day, self.report_timezone)
            log.warning("%d of %d spins are not from %s in %s", *of)
        if self.rows_not_utf8:
            log.warning("%d rows had texts that are not UTF-8; wrong bytes are now U+FFFD", self.rows_not_utf8)
        return found
