"""
Regular expressions that take for ever: Python's `re` may need time that doubles with every character of a text.

It handles signals while it searches, so a timer of CPU time can end a search; only the main thread may set one, which
is where Airflow runs a task.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StalledError(Exception):
    """Work has made no progress for too long."""


@contextmanager
def stall_guard(position: Callable[[], int], between: Callable[[], object], seconds: float) -> Iterator[None]:
    """
    Raise `StalledError` within the block when there is no progress; outside the main thread, the block is not guarded.

    Args:
        position: returns a number that changes with progress.
        between: called every *seconds*, in the middle of the block; may raise an error, too.
        seconds: CPU time; a block ends after this time without progress, or after twice as long.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last = position()

    def look(*_: object) -> None:
        nonlocal last
        between()
        now = position()
        if now == last:
            raise StalledError
        last = now

    before = signal.signal(signal.SIGVTALRM, look)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
