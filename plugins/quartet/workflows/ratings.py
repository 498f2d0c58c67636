"""Runs of the ratings workflow."""

import time

from quartet.hooks import metrics
from quartet.hooks.storage import StorageHook


def measure_state() -> None:
    """Report what waits, how old the data are, and the error of the champion."""
    from include.ratings import state_metrics

    metrics.send("ratings", state_metrics.current(StorageHook().store("ratings"), time.time()))
