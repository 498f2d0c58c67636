"""Pages for browsers at the addresses of the APIs, which answer other clients with JSON."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quartet.api.common.pages import MOUNT


class PagesForBrowsers:
    """
    ASGI middleware that sends a browser from an address of an API to the page that shows the same.

    A browser is a client whose `Accept` names `text/html` and not `application/json`; `?format=json`, or any other
    format, is for people who want that nevertheless.

    Args:
        app: the API.
        pages: pattern of a path of the API → the page below `/quartet`, with the groups of the pattern in braces. The
            query is kept.
    """

    def __init__(self, app: ASGIApp, pages: Mapping[str, str]) -> None:
        self.app = app
        self.pages = [(re.compile(pattern), page) for pattern, page in pages.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or send the browser to the page."""
        page = self._page_of(scope)
        if page is None:
            await self.app(scope, receive, send)
            return
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        accepted = Headers(scope=scope).get("accept", "")
        if "text/html" in accepted and "application/json" not in accepted and "format" not in query:
            prefix = scope.get("root_path", "").rpartition("/")[0]  # of Airflow itself
            address = f"{prefix}{MOUNT}{page}" + (f"?{urlencode(query, doseq=True)}" if query else "")
            await RedirectResponse(address, 303, {"Vary": "Accept", "Cache-Control": "no-store"})(scope, receive, send)
            return

        async def send_varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).add_vary_header("Accept")
            await send(message)

        await self.app(scope, receive, send_varying)

    def _page_of(self, scope: Scope) -> str | None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return None
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        for pattern, page in self.pages:
            if match := pattern.fullmatch(path):
                return page.format(**{name: quote(text, safe="") for name, text in match.groupdict().items()})
        return None
