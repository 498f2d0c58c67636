"""The remote files of song plays, reached by what the settings say about them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Literal

import httpx
from airflow.sdk import BaseHook, ObjectStoragePath
from airflow.sdk.log import mask_secret

from include.core.lease import Lease
from include.core.web import redact
from include.songs import downloads, layout
from include.songs.downloads import Version
from include.songs.remote import StoredFile, WebFile
from include.songs.settings import SongSettings
from include.songs.sources import Source, listeners_url, scheme_of, spins_url
from quartet.hooks.storage import StorageHook

HTTP_TIMEOUT_SECONDS = 30.0

Name = Literal["spins", "listeners"]


class SourceHook(BaseHook):
    """
    Look at, and fetch, the spins of a day and the listeners.

    :param storage_conn_id: Amazon connection of sources in S3 that name none (`s3://connection@bucket/…`).
    :param base: stands in for the folder that the settings name, for the source that is asked for.
    """

    conn_name_attr = "storage_conn_id"
    default_conn_name = StorageHook.default_conn_name

    def __init__(self, storage_conn_id: str = default_conn_name, base: str = "") -> None:
        super().__init__()
        self.storage_conn_id = storage_conn_id
        self.base = base

    @property
    def root(self) -> ObjectStoragePath:
        """The folder of the song plays."""
        return StorageHook().path("songs")

    def address(self, name: Name, day: date) -> str:
        """Give the address of a source without secrets; raises `SettingsError` if it is not configured."""
        return redact(self._url(name, day))

    @contextmanager
    def open(self, name: Name, day: date) -> Iterator[Source]:
        """
        Give a source, not yet contacted; its connections are closed at the end.

        :raises SettingsError: it is not configured.
        :raises RefusedError: its address is malformed.
        """
        url = self._url(name, day)
        scheme = scheme_of(url)
        if scheme in ("file", "s3"):
            yield StoredFile(StorageHook(self.storage_conn_id).path_at(url))
            return
        if query := SongSettings.load().query_suffix.get_secret_value():
            mask_secret(query)
        with httpx.Client(timeout=HTTP_TIMEOUT_SECONDS, follow_redirects=True) as client:
            yield WebFile(url, client, query)

    def is_complete(self, name: Name, day: date) -> bool:
        """Tell whether nothing of a source is left to fetch for a day."""
        return layout.has_spins(self.root, day) if name == "spins" else layout.has_listeners(self.root, day)

    def download(self, name: Name, day: date) -> Version | None:
        """Fetch a source for a day; `None`: it was there. It raises as `include.songs.downloads` does."""
        fetch = downloads.download_spins if name == "spins" else downloads.download_listeners
        with self.open(name, day) as source:
            return fetch(self.root, day, source, datetime.now(UTC))

    def lease(self, day: date, holder: str) -> Lease:
        """Give the lease of a day, as the run *holder* sees it."""
        seconds = SongSettings.load().lease_seconds
        return Lease(layout.lease_file(self.root, day), holder, seconds, lambda: datetime.now(UTC))

    def _url(self, name: Name, day: date) -> str:
        settings = SongSettings.load(**({f"{name}_base": self.base} if self.base else {}))
        return spins_url(settings, day) if name == "spins" else listeners_url(settings)
