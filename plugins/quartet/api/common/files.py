"""Responses with a file of the storage, local or in S3: whole, in ranges, or none if the client has it already."""

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

import anyio
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

from include.core.storage import StoredObject
from quartet.api.common.head import IS_HEAD

_CONDITIONS = StaticFiles()


class StoredFileResponse(FileResponse):
    """
    A file that is open already, so that it is sent as it was found even if it is replaced meanwhile.

    Args:
        file: the file; it is closed at the end.
        stored: what a listing says about it.
        size: its length in bytes.
        filename: its name for the client.
        media_type: its type.
    """

    chunk_size = 1 << 20

    def __init__(self, file: IO[bytes], stored: StoredObject, size: int, filename: str, media_type: str) -> None:
        found = os.stat_result((stat.S_IFREG, 0, 0, 0, 0, 0, size, 0, int(stored.changed), 0))
        etag = {"ETag": f'"{stored.fingerprint}"'}
        super().__init__(filename, headers=etag, media_type=media_type, filename=filename, stat_result=found)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what the headers of the request ask for."""
        # not by its path, which is only a name here
        extensions = {
            name: each for name, each in scope.get("extensions", {}).items() if name != "http.response.pathsend"
        }
        request = {**scope, "method": "HEAD" if scope.get(IS_HEAD) else scope["method"], "extensions": extensions}
        try:
            if _CONDITIONS.is_not_modified(self.headers, Headers(scope=scope)):
                await NotModifiedResponse(self.headers)(request, receive, send)
            else:
                await super().__call__(request, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._file.close)

    @asynccontextmanager
    async def _open_file(self) -> AsyncIterator[anyio.AsyncFile[bytes]]:
        yield anyio.wrap_file(self._file)
