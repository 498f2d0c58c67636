"""Embedded mode: how fast it starts, what it needs while nothing runs, what happens when many call at once.

make bench, or: python benchmarks/embedded.py [start|idle|creates] …
"""

import statistics
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from benchmarks.support.platform import Platform, platform  # noqa: E402
from benchmarks.support.report import line, machine, p95  # noqa: E402
from deploy.demo.audience import generate  # noqa: E402
from include.audience.settings import AudienceSettings  # noqa: E402
from include.core.database.engine import open_engine  # noqa: E402

CREATES, POSTS = 50, 1_000
IDLE_SECONDS = 30


def start(running: Platform) -> None:
    """Time `make up` of a home that exists."""
    times = []
    for _ in range(3):
        running.command("down")
        began = time.monotonic()
        running.command("up")
        times.append(time.monotonic() - began)
    line("make up of an existing home, median of 3", f"{statistics.median(times):.1f} s")


def idle(running: Platform) -> None:
    """Measure memory and processor while nothing runs."""
    running.wait(running.idle)
    time.sleep(10)
    processes = running.processes()
    memory = 0
    for process in processes:
        with suppress(psutil.Error):  # it has ended
            memory += process.memory_full_info().pss
    before = seconds(processes)
    time.sleep(IDLE_SECONDS)
    used = seconds(running.processes()) - before
    line("memory while idle, proportional to sharing", f"{memory / 1e9:.2f} GB", "<= 1.0 GB")
    line("processor while idle, of a core", f"{used / IDLE_SECONDS:.0%}", "<= 10 %")


def seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the processor time of processes that include all their children: of those, too, that have ended."""
    used = 0.0
    for process in processes:
        with suppress(psutil.Error):  # it has ended, and its time is its parent's
            used += sum(process.cpu_times()[:4])
    return used


def creates(running: Platform) -> None:
    """Create many labeling tasks at once, and wait until all are finished."""
    tasks, schema = "/audience/api/tasks/", "wh_small"
    settings = AudienceSettings(data_dir=str(running.home / "data/audience"))
    with open_engine(settings.source_url(schema)) as engine:
        generate.write(engine, generate.rows(POSTS, authors=POSTS // 20))

    def create(_: int) -> tuple[float, str]:
        began = time.monotonic()
        answer = running.post(tasks, {"target_schema": schema, "countdown": 0})
        return time.monotonic() - began, answer["error_message"]["task_id"] if answer["error_code"] == 200 else ""

    began = time.monotonic()
    with ThreadPoolExecutor(CREATES) as pool:
        found = list(pool.map(create, range(CREATES)))
    accepted = {task for _, task in found if task}
    line(f"{CREATES} labeling tasks created at once: accepted", str(len(accepted)), str(CREATES))
    line("the same, 95th percentile of an answer", f"{p95([seconds for seconds, _ in found]):.2f} s", "<= 3 s")
    running.wait(lambda: accepted <= finished(running), seconds=1800, every=1)
    line("the same, until all are finished", f"{time.monotonic() - began:.0f} s")


def finished(running: Platform) -> set[str]:
    """Return the ids of the tasks whose runs have succeeded."""
    return {run["dag_run_id"].removeprefix("api__") for run in running.runs("audience_labeling", state="success")}


MEASURES = {"start": start, "idle": idle, "creates": creates}


def main() -> None:
    """Run what is named, or all."""
    machine()
    with platform() as running:
        for name in sys.argv[1:] or MEASURES:
            MEASURES[name](running)


if __name__ == "__main__":
    main()
