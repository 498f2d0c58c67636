"""A stand-in for an OpenTelemetry collector and for a service that takes notifications: keeps what it is sent."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


@dataclass(frozen=True)
class Point:
    """One value of a metric."""

    name: str
    kind: str
    """`gauge`, `sum` or `histogram`, as the protocol names them."""
    value: float
    tags: dict[str, str]


@dataclass
class Collector:
    """Requests received at `url` (metrics) and anywhere below it (JSON)."""

    url: str
    points: list[Point] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)

    def take(self, path: str, body: bytes) -> None:
        """Store a request."""
        if path == "/v1/metrics":
            self.points += _points(ExportMetricsServiceRequest.FromString(body))
        else:
            self.messages.append(json.loads(body))

    def newest(self, name: str, **tags: str) -> Point | None:
        """Return the latest point of a metric."""
        found = [each for each in self.points if each.name == name and tags.items() <= each.tags.items()]
        return found[-1] if found else None

    def wait(self, look: Callable[["Collector"], Any], seconds: float = 120) -> Any:
        """Wait until *look* finds something, and give it."""
        deadline = time.monotonic() + seconds
        while not (found := look(self)):
            if time.monotonic() > deadline:
                pytest.fail(f"nothing was found in {len(self.points)} points and {self.messages}")
            time.sleep(0.2)
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on its own port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.collector
        server.shutdown()
        thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Yield a collector that has received nothing yet."""
    with collecting() as found:
        yield found


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.collector.take(self.path, body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


def _points(request: ExportMetricsServiceRequest) -> Iterator[Point]:
    metrics = (
        metric for resource in request.resource_metrics for scope in resource.scope_metrics for metric in scope.metrics
    )
    for metric in metrics:
        kind = metric.WhichOneof("data")
        for point in getattr(metric, kind).data_points:
            value = getattr(point, point.WhichOneof("value")) if hasattr(point, "as_double") else point.sum
            yield Point(metric.name, kind, value, {each.key: each.value.string_value for each in point.attributes})
