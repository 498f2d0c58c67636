"""What every request of the articles API passes: pages of any site may read the answer, errors too; it is measured."""

import logging
import time
from contextlib import suppress

from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quartet.api.articles.metrics import NO_SITE, Metrics
from quartet.api.articles.schemas import refusal

log = logging.getLogger(__name__)

MAX_QUERY_BYTES = 16_000
"""Longer ones are refused: they are what the cache's keys are made of."""
CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-headers", b"Content-Type, Authorization"),
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
]
PREFLIGHT_SECONDS = 86_400


class Door:
    """
    ASGI middleware: CORS headers on every answer, preflights, HEAD like GET, faults as 500, figures.

    A route leaves the site it answered for as `request.state.site`.

    Args:
        app: what answers GET.
        metrics: takes the figures.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        # the server looks at its own copy and leaves out the body of an answer to HEAD
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        inner = {**scope, "method": method, "state": dict(scope.get("state") or {})}

        async def send_open(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *CORS]}
            await send(message)

        try:
            await self._answering(inner)(inner, receive, send_open)
        except Exception:
            if status:
                raise
            log.exception("%s %s failed", scope["method"], scope["path"])
            await refusal(500, "internal error")(inner, receive, send_open)
        finally:
            handler = getattr(inner.get("endpoint"), "__name__", "none")
            site = inner["state"].get("site", NO_SITE)
            with suppress(Exception):
                self.metrics.answered(handler, site, scope["method"], status, (time.perf_counter() - began) * 1e3)

    def _answering(self, scope: Scope) -> ASGIApp:
        if scope["method"] == "OPTIONS":
            return Response(status_code=204, headers={"Access-Control-Max-Age": str(PREFLIGHT_SECONDS)})
        if len(scope["query_string"]) > MAX_QUERY_BYTES:
            return refusal(414, f"the query is longer than {MAX_QUERY_BYTES} bytes")
        return self.app
