"""Remote files: on web servers, in S3, in the local file system, below the platform's storage root."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import httpx
from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from include.core.remote import RemoteFile, scheme_of
from include.core.remote.stored import StoredFile
from include.core.remote.web import WebFile
from quartet.hooks.storage import StorageHook

CONNECT_TIMEOUT_SECONDS = 5.0
HTTP_TIMEOUT_SECONDS = 30.0
"""Of each wait for bytes."""


class RemoteHook(BaseHook):
    """
    Opens remote files to look at them and to read them.

    :param storage_conn_id: Amazon connection of files in S3 whose address names none (`s3://connection@bucket/…`).
    """

    conn_name_attr = "storage_conn_id"
    default_conn_name = StorageHook.default_conn_name

    def __init__(self, storage_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.storage_conn_id = storage_conn_id

    @contextmanager
    def open(
        self, url: str, query: str = "", redirect_hosts: Collection[str] = (), read_seconds: float = 6 * 3600
    ) -> Iterator[RemoteFile]:
        """
        Yield a remote file, not yet contacted; its connections are closed at the end.

        :param url: `http(s)://…`, `s3://…`, `file:///…`, or a path below the platform's storage root.
        :param query: appended to an address on the web; it may be secret, and is not shown.
        :param redirect_hosts: hosts to which a web server may redirect, besides its own.
        :param read_seconds: time limit of reading a file on the web.
        :raises RefusedError: the address is malformed, or of another kind.
        """
        storage = StorageHook(self.storage_conn_id)
        if "://" not in url:
            yield StoredFile(storage.path(url))
        elif scheme_of(url) in ("http", "https"):
            if query:
                mask_secret(query)
            timeout = httpx.Timeout(HTTP_TIMEOUT_SECONDS, connect=min(CONNECT_TIMEOUT_SECONDS, HTTP_TIMEOUT_SECONDS))
            with httpx.Client(timeout=timeout) as client:
                yield WebFile(url, client, query, redirect_hosts, read_seconds)
        else:
            yield StoredFile(storage.path_at(url))
