"""Memory of a platform's processes."""

import threading
from types import TracebackType

import psutil

from benchmarks.support.platform import Platform


class PeakMemory:
    """Context manager that records the largest resident size of any task process of a platform, in MB."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.megabytes = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        workers: dict[int, psutil.Process] = {}
        others: set[int] = set()  # checked only once: checking all repeatedly would take half a core
        while not self._stop.wait(0.1):
            for pid in set(psutil.pids()) - workers.keys() - others:
                try:
                    process = psutil.Process(pid)
                    if process.environ().get("QUARTET_HOME") != str(self.platform.home):
                        others.add(pid)
                    elif "airflow worker" in " ".join(process.cmdline()):  # Airflow's name for processes of tasks
                        workers[pid] = process
                except psutil.Error:
                    continue
            for pid, process in list(workers.items()):
                try:
                    self.megabytes = max(self.megabytes, process.memory_info().rss / 2**20)
                except psutil.Error:
                    del workers[pid]
