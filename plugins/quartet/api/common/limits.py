"""A bound on the size of request bodies that clients get to hear of."""

import asyncio
import math

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quartet.api.common.errors import answer


class BodyLimit:
    """
    ASGI middleware: answer 413 to a body of more than `max_bytes`, with or without a declared length.

    What the client still sends then is read and thrown away before the answer, because most clients read an answer
    only when they have sent all, and see a reset when the server closes before. That ends at `drain_bytes` or after
    `drain_seconds`; a client that goes on may see its connection closed.

    Nothing is buffered here; a body within the limit passes message by message.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, drain_bytes: int = 64 << 20, drain_seconds: float = 10) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.drain_bytes = drain_bytes
        self.drain_seconds = drain_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _CountedBody(receive, send, self.max_bytes)
        headers = Headers(scope=scope)
        if _declared(headers) > self.max_bytes:
            drained = await self._drain(receive) if headers.get("expect", "").lower() != "100-continue" else False
        else:
            try:
                await self.app(scope, body.receive, body.send)
            except Exception:  # what the app makes of a client that went away while it read
                if not body.refused or body.answered:
                    raise
            if not body.refused or body.answered:
                return
            drained = body.ended or await self._drain(receive)
        response = answer(
            413,
            f"the body is larger than {self.max_bytes} bytes; nothing was written",
            headers=None if drained else {"Connection": "close"},
        )
        await response(scope, receive, send)

    async def _drain(self, receive: Receive) -> bool:
        """Read the rest of the body; tell whether it ended within the bounds."""
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
    """The body as it passes: over the limit the app hears that the client has gone, and its answer is dropped."""

    def __init__(self, receive: Receive, send: Send, max_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._left = max_bytes
        self.refused = False
        self.ended = False
        self.answered = False

    async def receive(self) -> Message:
        """Give the next part of the body."""
        if self.refused:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self.ended = not message.get("more_body", False)
            if self._left < 0:
                self.refused = True
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """Pass the app's answer on, unless the body was refused before it began."""
        if self.answered or not self.refused:
            self.answered = True
            await self._send(message)
