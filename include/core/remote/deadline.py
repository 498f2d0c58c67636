"""Time limit of a whole request, which the timeouts of an HTTP client do not have: each wait for a byte begins anew."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any


class Deadline:
    """Shuts the connections of a request down when its time is over; whoever waits for bytes then gets an error."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.passed = False
        self._sockets: list[socket.socket] = []

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of a connection; for the `trace` extension of `httpx`."""
        connected = event.endswith((".connect_tcp.complete", ".start_tls.complete"))
        if connected and (found := info["return_value"].get_extra_info("socket")):
            self._sockets.append(found)
            if self.passed:
                self._shut_down()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the time run during the block."""
        timer = Timer(self.seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end(self) -> None:
        self.passed = True
        self._shut_down()

    def _shut_down(self) -> None:
        for each in self._sockets:
            with suppress(OSError):  # it is closed already
                each.shutdown(socket.SHUT_RDWR)
