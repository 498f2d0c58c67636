"""Leftover work, which no arrival announces any more: a run failed for good, and its event is used up."""

from pkgutil import resolve_name

CHECK_SECONDS = 300.0
"""Time between two checks, and the age from which waiting work counts as left over."""
MAX_PAUSE_SECONDS = 6 * 3600.0
"""Longest pause between two reports of the same work."""


class LeftoverReports:
    """
    Reports leftover work every few minutes, and the same work ever more rarely.

    A report starts a run. If that fails too, the next one comes after twice the pause: no endless failing runs.

    :param function: dotted name of a function that returns the names of what has waited for a number of seconds; it
        may block.
    :param now: in seconds; the first check is due a while later.
    """

    def __init__(self, function: str, now: float) -> None:
        self.function = function
        self.pause_seconds = CHECK_SECONDS
        self._next_check = now + CHECK_SECONDS
        self._next_report = now
        self._reported: frozenset[str] = frozenset()

    def is_due(self, now: float) -> bool:
        """Return whether to check at *now*; it is due only once for each time that has come."""
        if not self.function or now < self._next_check:
            return False
        self._next_check = now + CHECK_SECONDS
        return True

    def look(self) -> list[str]:
        """Return what is left over; blocks."""
        return resolve_name(self.function)(CHECK_SECONDS)

    def to_report(self, found: list[str], now: float) -> list[str]:
        """Return *found* if it is to be reported at *now*, else nothing."""
        if self._reported.isdisjoint(found):  # what was reported before has been done
            self._reported, self._next_report, self.pause_seconds = frozenset(), now, CHECK_SECONDS
        if not found or now < self._next_report:
            return []
        self._reported = frozenset(found)
        self._next_report = now + self.pause_seconds
        self.pause_seconds = min(2 * self.pause_seconds, MAX_PAUSE_SECONDS)
        return found
