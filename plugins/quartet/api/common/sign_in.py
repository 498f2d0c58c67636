"""Bound on the passwords that are checked at a time.

Airflow has none on its API, and a check takes a tenth of a second of a core by design: many at once would keep the
server from everything else.
"""

from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quartet.api.common.concurrency import RequestSlots
from quartet.api.common.errors import error_response

PATHS = ("/auth/token", "/auth/token/cli", "/auth/api/v1/security/login", "/auth/login")
"""Routes that check a password, of both auth managers."""


class SignInLimit:
    """
    ASGI middleware that lets a few password checks run at a time, has some wait, and answers 503 to the others.

    A request takes its slot when its body has arrived, so slow clients hold none.
    """

    def __init__(self, app: ASGIApp, slots: int = 4, max_waiting: int = 50, max_seconds: float = 10) -> None:
        self.app = app
        self._slot = asynccontextmanager(RequestSlots(slots, max_waiting, max_seconds))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or reject it."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") not in PATHS:
            await self.app(scope, receive, send)
            return
        busy: HTTPException | None = None
        holds = False
        async with AsyncExitStack() as held:

            async def receive_with_slot() -> Message:
                nonlocal busy, holds
                message: Message = {"type": "http.disconnect"} if busy else await receive()
                if message["type"] == "http.request" and not message.get("more_body", False) and not holds:
                    try:
                        await held.enter_async_context(self._slot())
                    except HTTPException as error:
                        busy = error
                        return {"type": "http.disconnect"}
                    holds = True
                return message

            async def send_unless_busy(message: Message) -> None:
                if busy is None:
                    await send(message)

            try:
                await self.app(scope, receive_with_slot, send_unless_busy)
            except Exception:  # the app's reaction to a client that disconnected during the read
                if busy is None:
                    raise
        if busy is not None:
            detail = "too many passwords are being checked; try again later"
            await error_response(503, detail, headers=busy.headers)(scope, receive, send)
