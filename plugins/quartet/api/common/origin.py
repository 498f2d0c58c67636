"""Guard against requests that pages of other sites send through a user's browser."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from quartet.api.common.errors import error_response

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class SameOrigin:
    """
    ASGI middleware that answers 403 to a writing request from a page of another site.

    Browsers name the page in `Origin` and, over HTTPS or on this machine, its relation in `Sec-Fetch-Site`; other
    clients send neither. It is for a server that asks nobody to sign in: elsewhere, the token is the guard.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or reject it."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and _is_foreign(Headers(scope=scope)):
            response = error_response(403, "requests from pages of other sites may not change anything")
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_foreign(headers: Headers) -> bool:
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
