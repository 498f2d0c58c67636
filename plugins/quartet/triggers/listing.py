"""The one lister behind every wait for arrival: what is there now, and what tells a changed object. It blocks."""

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol
from urllib.parse import unquote, urlsplit

from airflow.sdk import ObjectStoragePath

from include.core.storage import StoragePath, StoredObject, find_object, is_settled, list_objects, native
from include.core.web import redact
from include.songs.remote import stored_object
from quartet.hooks.storage import StorageHook

HTTP_TIMEOUT_SECONDS = 30.0
OK = range(200, 300)
NOT_YET = (404, 410)


class UnclearAnswerError(Exception):
    """A server neither showed the object nor said that it is not there."""


class Lister(Protocol):
    """A place to look at; its text is what a log calls it."""

    def look(self) -> dict[str, StoredObject]:
        """Give what is there now, by name; empty when nothing is."""
        ...

    def is_settled(self, stored: StoredObject) -> bool:
        """Tell whether *stored*, of the last look, is complete; see `include.core.storage.is_settled`."""
        ...


def make_lister(prefix: str = "", url: str = "", settle_seconds: float = 2.0) -> Lister:
    """
    Make the lister of a folder or of one object.

    :param prefix: folder below the platform's storage root; what lies directly in it is listed.
    :param url: instead of a prefix, one object: `http(s)://…`, `s3://…`, `file:///…`, or a path below the storage root.
    :param settle_seconds: how long a local file without a newline at its end has to stay unchanged.
    :raises ValueError: the URL is of another kind.
    """
    if prefix:
        return FolderLister(prefix, settle_seconds)
    scheme, colon, _ = url.partition("://")
    if colon and scheme in ("http", "https"):
        return HttpLister(url)
    if colon and scheme not in ("s3", "file"):
        raise ValueError(f"a URL with http, https, s3 or file was expected, found {scheme!r} in {redact(url)!r}")
    return ObjectLister(url, settle_seconds)


@dataclass(frozen=True)
class FolderLister:
    """The objects directly below a prefix of the platform's storage."""

    prefix: str
    settle_seconds: float

    def __str__(self) -> str:
        return self.prefix

    @cached_property
    def path(self) -> StoragePath:
        return native(StorageHook().path(*self.prefix.strip("/").split("/")))

    def look(self) -> dict[str, StoredObject]:
        return list_objects(self.path)

    def is_settled(self, stored: StoredObject) -> bool:
        return is_settled(self.path / stored.name, stored, time.time(), self.settle_seconds)


@dataclass(frozen=True)
class ObjectLister:
    """One file, or one object in S3."""

    url: str
    settle_seconds: float

    def __str__(self) -> str:
        return self.url

    @cached_property
    def path(self) -> ObjectStoragePath:
        hook = StorageHook()
        return hook.path_at(self.url) if "://" in self.url else hook.path(self.url)

    def look(self) -> dict[str, StoredObject]:
        found = find_object(self.path)
        return {found.name: found} if found else {}

    def is_settled(self, stored: StoredObject) -> bool:
        return is_settled(self.path, stored, time.time(), self.settle_seconds)


@dataclass(frozen=True)
class HttpLister:
    """What a web server has at one address: 200 is there, 404 and 410 are not yet."""

    url: str

    def __str__(self) -> str:
        return redact(self.url)

    def look(self) -> dict[str, StoredObject]:
        import httpx

        with httpx.Client(
            timeout=HTTP_TIMEOUT_SECONDS, follow_redirects=True, headers={"Accept-Encoding": "identity"}
        ) as client:
            answer = client.head(self.url)
            if answer.status_code not in OK and answer.status_code not in NOT_YET:
                with client.stream("GET", self.url) as answer:  # some servers refuse HEAD; the body is not read
                    pass
        if answer.status_code in NOT_YET:
            return {}
        if answer.status_code not in OK:
            raise UnclearAnswerError(f"{self} answers {answer.status_code} {answer.reason_phrase}, not 200 or 404")
        return {self.name: stored_object(self.name, answer.headers)}

    @property
    def name(self) -> str:
        parts = urlsplit(self.url)
        return unquote(parts.path.rstrip("/").rsplit("/", 1)[-1]) or parts.hostname or ""

    def is_settled(self, stored: StoredObject) -> bool:
        return True
