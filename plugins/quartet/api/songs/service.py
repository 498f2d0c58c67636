"""Service behind the routes of the song plays API; independent of HTTP."""

from datetime import date
from typing import Literal

from include.core.storage import find_object
from include.songs import failures, layout, report, results
from include.songs.layout import DayFiles
from include.songs.results import Count, FolderOf, Part
from quartet.api.songs.schemas import DayReport, DayState, Inputs, State
from quartet.hooks.storage import StorageHook

Output = Literal["dataset", "counts"]
FOLDERS: dict[Output, FolderOf] = {"dataset": layout.dataset_folder, "counts": layout.counts_folder}


class UnknownDayError(Exception):
    """A day has no files."""


class SongsService:
    """Reads the days of song plays."""

    def __init__(self) -> None:
        self.root = StorageHook().path("songs")

    def days(self, year: int | None, month: int | None, limit: int) -> list[DayState]:
        """List the days that have any files, newest first, at most *limit*; see `layout.known_days`."""
        found = layout.known_days(self.root, year, month)[:limit]
        listeners = self._has_listeners()
        failed = failures.failed_days(self.root)
        return [_state(files, listeners, files.day in failed) for files in found]

    def report(self, day: date) -> DayReport:
        """
        Return the state of a day, of a complete one its report, of a failed one its error.

        Raises:
            UnknownDayError: the day has no files.
        """
        files = layout.find_day(self.root, day)
        if files == DayFiles(day):
            raise UnknownDayError(f"nothing is known of {day}")
        # outputs that were removed leave their report behind
        found = report.read(self.root, day) if files.complete else None
        known = found.as_json() if found else {}
        failure = None if files.complete else failures.read(self.root, day)
        state = _state(files, self._has_listeners(), failure is not None).model_dump()
        more = {"inputs": Inputs.model_validate(known), "error": failure.error if failure else None}
        return DayReport.model_validate(known | state | more)

    def counts(self, day: date, zip_code: int | None, subscription: str | None) -> list[Count]:
        """Read the counts of a day; see `results.read_counts`."""
        return results.read_counts(self.root, day, zip_code, subscription)

    def open_file(self, day: date, output: Output) -> Part:
        """Open the file of an output; see `results.open_part`."""
        return results.open_part(self.root, day, FOLDERS[output])

    def _has_listeners(self) -> bool:
        return find_object(layout.listeners_file(self.root)) is not None


def _state(files: DayFiles, has_listeners: bool, failed: bool) -> DayState:
    """Return the state of a day; *has_listeners*: whether the listeners of all days exist."""
    listeners = files.marker and has_listeners
    state: State = "fetched" if files.spins and listeners else "waiting"
    if files.dataset or files.counts:
        state = "complete" if files.complete else "incomplete"
    if failed and not files.complete:
        state = "failed"
    return DayState(
        day=files.day,
        state=state,
        spins=files.spins,
        listeners=listeners,
        dataset=files.dataset,
        counts=files.counts,
    )
