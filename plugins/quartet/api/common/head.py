"""HEAD for apps whose routes answer GET alone, as FastAPI's do."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

IS_HEAD = "quartet.is_head"
"""Key of the scope of a request that was HEAD, for responses whose content is not worth reading then."""


class HeadAsGet:
    """ASGI middleware that answers HEAD like GET, without the content."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
            elif not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self.app({**scope, "method": "GET", IS_HEAD: True}, receive, send_head)
