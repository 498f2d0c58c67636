"""Which content of a source was downloaded."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from include.core.storage import StoragePath, read_json
from include.songs import layout


@dataclass(frozen=True)
class Version:
    """A version of the spins of a day, or of the listeners."""

    sha256: str
    size: int
    """Length in bytes."""
    fetched_at: str | None = None
    """When it was last downloaded, ISO 8601; `None`: the file was copied there by hand."""
    source: str | None = None
    """The address that it was downloaded from, without secrets."""

    def as_json(self) -> dict[str, Any]:
        """Return the version in types of JSON."""
        return asdict(self)


def spins_version(root: StoragePath, day: date) -> Version | None:
    """Return the version of the spins that were downloaded for a day; `None`: it is unknown."""
    return _read(layout.spins_record(root, day))


def listeners_version(root: StoragePath, sha256: str) -> Version | None:
    """Return the version of the listeners with a checksum; `None`: they were not downloaded, or long ago."""
    return _read(layout.listeners_record(root, sha256))


def _read(record: StoragePath) -> Version | None:
    known = read_json(record)
    return Version(**known) if known else None
