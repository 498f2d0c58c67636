"""Code shared by tests of remote files."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from include.core.remote import NotReadyError, RefusedError, RemoteFile
from include.core.web import redact
from quartet.hooks.remote import RemoteHook


def read(remote: RemoteFile) -> bytes:
    with remote.open() as body:
        return b"".join(body.blocks)


def both(remote: RemoteFile) -> list[object]:
    """Return the results of checking and reading a file, including errors."""
    found: list[object] = []
    for act in (remote.look, lambda: read(remote)):
        try:
            found.append(act())
        except (NotReadyError, RefusedError) as error:
            found.append(error)
    return found


@dataclass(frozen=True)
class Url:
    """A remote file that a `RemoteSensor` waits for, by its address."""

    url: str

    def __str__(self) -> str:
        return redact(self.url)

    def check(self) -> None:
        pass

    def open(self) -> AbstractContextManager[RemoteFile]:
        return RemoteHook().open(self.url)

    def take(self) -> str:
        return f"took {self}"
