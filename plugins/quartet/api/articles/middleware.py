"""Middleware of the articles API: CORS on every response, HEAD, preflights, unexpected errors, metrics."""

import logging
import time
from contextlib import suppress

from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quartet.api.articles.errors import error_response
from quartet.api.articles.metrics import NO_SITE, Metrics

log = logging.getLogger(__name__)

MAX_QUERY_BYTES = 16_000
"""Limit of the query string, which the keys of the cache are made of."""
CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-headers", b"Content-Type, Authorization"),
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
]
PREFLIGHT_SECONDS = 86_400


class ArticlesMiddleware:
    """
    ASGI middleware: adds CORS headers, answers preflights, treats HEAD as GET, turns errors into 500, sends metrics.

    A route sets the site it has answered for as `request.state.site`.

    Args:
        app: the app, which answers GET.
        metrics: counts the requests.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        # the server keeps its own copy of the scope and drops the body of a response to HEAD
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        inner = {**scope, "method": method, "state": dict(scope.get("state") or {})}

        async def send_with_cors(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *CORS]}
            await send(message)

        try:
            await self._handler(inner)(inner, receive, send_with_cors)
        except Exception:
            if status:
                raise
            log.exception("%s %s failed", scope["method"], scope["path"])
            await error_response(500, "internal error")(inner, receive, send_with_cors)
        finally:
            handler = getattr(inner.get("endpoint"), "__name__", "none")
            site = inner["state"].get("site", NO_SITE)
            with suppress(Exception):
                self.metrics.answered(handler, site, scope["method"], status, (time.perf_counter() - began) * 1e3)

    def _handler(self, scope: Scope) -> ASGIApp:
        """Return what answers a request: the app, or a response that does not need it."""
        if scope["method"] == "OPTIONS":
            return Response(status_code=204, headers={"Access-Control-Max-Age": str(PREFLIGHT_SECONDS)})
        if len(scope["query_string"]) > MAX_QUERY_BYTES:
            return error_response(414, f"the query is longer than {MAX_QUERY_BYTES} bytes")
        return self.app
