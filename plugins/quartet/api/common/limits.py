"""Body limit that answers 413 instead of resetting the connection."""

import asyncio
import math
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quartet.api.common.errors import error_response


class BodyLimit:
    """
    ASGI middleware that answers 413 to a body of more than `max_bytes`, with or without a declared length.

    The rest of an oversized body is read and discarded before the response is sent: most clients read a response only
    after they have sent everything, and see a reset if the server closes earlier. Draining stops at `drain_bytes` or
    after `drain_seconds`; a client that keeps sending may then see its connection closed.

    Nothing is buffered; a body within the limit passes through message by message. Paths below one of `elsewhere` have
    a limit of their own and are passed on.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int,
        drain_bytes: int = 64 << 20,
        drain_seconds: float = 10,
        elsewhere: Sequence[str] = (),
    ) -> None:
        self.app = app
        self.elsewhere = tuple(f"{prefix}/" for prefix in elsewhere)
        self.max_bytes = max_bytes
        self.drain_bytes = drain_bytes
        self.drain_seconds = drain_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or reject it."""
        if scope["type"] != "http" or scope["path"].startswith(self.elsewhere):
            await self.app(scope, receive, send)
            return
        body = _CountedBody(receive, send, self.max_bytes)
        headers = Headers(scope=scope)
        if _declared(headers) > self.max_bytes:
            drained = await self._drain(receive) if headers.get("expect", "").lower() != "100-continue" else False
        else:
            try:
                await self.app(scope, body.receive, body.send)
            except Exception:  # the app's reaction to a client that disconnected during the read
                if not body.rejected or body.started:
                    raise
            if not body.rejected or body.started:
                return
            drained = body.ended or await self._drain(receive)
        response = error_response(
            413,
            f"the body is larger than {self.max_bytes} bytes; nothing was written",
            headers=None if drained else {"Connection": "close"},
        )
        await response(scope, receive, send)

    async def _drain(self, receive: Receive) -> bool:
        """Read the rest of the body; return whether it ended within the bounds."""
        left = self.drain_bytes
        try:
            async with asyncio.timeout(self.drain_seconds):
                while left >= 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return True
        except TimeoutError:
            pass
        return False


def _declared(headers: Headers) -> float:
    try:
        return int(headers.get("content-length", "0"))
    except ValueError:
        return math.inf


class _CountedBody:
    """Counts the body's bytes; over the limit the app sees a disconnect, and its response is dropped."""

    def __init__(self, receive: Receive, send: Send, max_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._left = max_bytes
        self.rejected = False
        self.ended = False
        self.started = False

    async def receive(self) -> Message:
        """Return the next part of the body."""
        if self.rejected:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self.ended = not message.get("more_body", False)
            if self._left < 0:
                self.rejected = True
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """Pass the app's response on, unless the body was rejected before the response started."""
        if self.started or not self.rejected:
            self.started = True
            await self._send(message)
