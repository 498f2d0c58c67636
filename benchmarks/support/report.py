"""Output of a benchmark: each value with its requirement and the machine's load at the time."""

import os
import statistics
from collections.abc import Sequence


def line(what: str, value: str, required: str = "") -> None:
    """Write one measurement."""
    load = os.getloadavg()[0]
    print(f"{what:<62} {value:>22}  {required:<16} load {load:.1f}", flush=True)


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def machine() -> None:
    """Write the machine that the benchmark runs on."""
    model = "unknown"
    try:
        with open("/proc/cpuinfo") as info:  # noqa: PTH123 - not one of our data paths
            model = next((row.split(":")[1].strip() for row in info if row.startswith("model name")), model)
    except FileNotFoundError:
        pass
    print(f"{os.cpu_count()} cores, {model}, load {os.getloadavg()[0]:.1f} at the start")
