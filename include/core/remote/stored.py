"""Remote files in the local file system and in S3."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from include.core.remote import Body, MissingError, NotReadyError, remote_error
from include.core.storage import StoragePath, StoredObject, classify_error, find_object, is_settled, open_read
from include.core.web import Trouble, redact

BLOCK_BYTES = 4 << 20
"""How much is read at a time."""


@dataclass(frozen=True)
class StoredFile:
    """A local file, or an object in S3."""

    path: StoragePath

    def __str__(self) -> str:
        return redact(str(self.path))

    def look(self) -> StoredObject:
        """Ask for size and time."""
        with self._classify_errors():
            if found := find_object(self.path):
                return found
        raise self._missing()

    def is_settled(self, found: StoredObject, now: float, seconds: float) -> bool:
        """Return whether the file is complete; a local one may still be being written."""
        return is_settled(self.path, found, now, seconds)

    @contextmanager
    def open(self) -> Iterator[Body]:
        """Open the file; one that is replaced while it is read is not mixed with its successor."""
        with self._classify_errors():
            file, size = open_read(self.path)
        with file:
            yield Body(size, self._blocks(file))

    def _blocks(self, file: IO[bytes]) -> Iterator[bytes]:
        with self._classify_errors():
            while block := file.read(BLOCK_BYTES):
                yield block

    def _missing(self) -> MissingError:
        return MissingError(f"{self}: not there")

    @contextmanager
    def _classify_errors(self) -> Iterator[None]:
        try:
            yield
        except NotReadyError:
            raise
        except Exception as error:
            trouble = classify_error(self.path, error)
            if trouble is None:
                raise
            if trouble is Trouble.MISSING and isinstance(error, FileNotFoundError | NotADirectoryError):
                raise self._missing() from error
            raise remote_error(trouble, f"{self}: {type(error).__name__}: {error}") from error
