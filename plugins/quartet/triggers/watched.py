"""Places that an asset watcher checks: a folder of the platform's storage, or one remote file. Checks block."""

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from include.core.remote import MissingError, scheme_of
from include.core.storage import StoragePath, StoredObject, is_settled, is_unfinished, list_objects, native
from include.core.web import redact
from quartet.hooks.remote import RemoteHook
from quartet.hooks.storage import StorageHook


class Watched(Protocol):
    """A place to check; its text is its name in logs."""

    def look(self) -> dict[str, StoredObject]:
        """Return the objects that exist now, by name."""
        ...

    def is_settled(self, stored: StoredObject) -> bool:
        """Return whether *stored*, from the last check, is complete; see `include.core.storage.is_settled`."""
        ...


def open_watched(prefix: str = "", url: str = "", settle_seconds: float = 2.0) -> Watched:
    """
    Return the folder or the file to watch.

    :param prefix: folder below the platform's storage root; what lies directly in it is listed.
    :param url: instead of a prefix, one file; see `RemoteHook.open`.
    :param settle_seconds: how long a local file without a newline at its end has to stay unchanged.
    :raises RefusedError: the URL is malformed, or of another kind.
    """
    if prefix:
        return WatchedFolder(prefix, settle_seconds)
    if "://" in url:
        scheme_of(url)
    return WatchedFile(url, settle_seconds)


@dataclass(frozen=True)
class WatchedFolder:
    """The objects directly below a prefix of the platform's storage."""

    prefix: str
    settle_seconds: float

    def __str__(self) -> str:
        return self.prefix

    @cached_property
    def path(self) -> StoragePath:
        return native(StorageHook().path(*self.prefix.strip("/").split("/")))

    def look(self) -> dict[str, StoredObject]:
        return {name: each for name, each in list_objects(self.path).items() if not is_unfinished(name)}

    def is_settled(self, stored: StoredObject) -> bool:
        return is_settled(self.path / stored.name, stored, time.time(), self.settle_seconds)


@dataclass(frozen=True)
class WatchedFile:
    """One remote file, once it is complete."""

    url: str
    settle_seconds: float

    def __str__(self) -> str:
        return redact(self.url)

    def look(self) -> dict[str, StoredObject]:
        with RemoteHook().open(self.url) as remote:
            try:
                found = remote.look()
            except MissingError:
                return {}
            return {found.name: found} if remote.is_settled(found, time.time(), self.settle_seconds) else {}

    def is_settled(self, stored: StoredObject) -> bool:
        return True
