"""Web server of the demo's fictitious news site and music service."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serve(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """
    Serve on a free port while the block runs; yields the base URL.

    The server listens on 127.0.0.1, or on the address of this machine that `QUARTET_DEMO_HOST` names.
    """
    host = os.environ.get("QUARTET_DEMO_HOST") or "127.0.0.1"
    with ThreadingHTTPServer((host, 0), handler) as server:  # pyright: ignore[reportArgumentType]  # a partial of one
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
