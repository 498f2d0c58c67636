"""Load on a web server: clients in their own processes, each sending one request after the other."""

import http.client
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.support.report import p95


@dataclass(frozen=True)
class Load:
    """Measurements of all clients together."""

    requests_per_second: float
    p95_seconds: float
    failures: int


def load(port: int, paths: Sequence[str], clients: int = 8, seconds: float = 10) -> Load:
    """Have *clients* request *paths* in turn for a number of seconds."""
    with multiprocessing.get_context("spawn").Pool(clients) as pool:
        pool.map(_nothing, range(clients))  # all clients have started before the time is taken
        found = pool.starmap(_request, [(port, paths[client:] + paths[:client], seconds) for client in range(clients)])
    times = [each for times, _ in found for each in times]
    return Load(len(times) / seconds, p95(times), sum(failures for _, failures in found))


def _nothing(_: int) -> None:
    time.sleep(0.2)


def _request(port: int, paths: Sequence[str], seconds: float) -> tuple[list[float], int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times: list[float] = []
    failures, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        path = paths[len(times) % len(paths)]
        began = time.perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        times.append(time.perf_counter() - began)
        failures += response.status != 200
    return times, failures
