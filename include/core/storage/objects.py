"""What the storage holds: paths, objects of a listing, folders with their credentials."""

from dataclasses import dataclass, field
from pathlib import Path

from upath import UPath
from upath.extensions import ProxyUPath

StoragePath = UPath | ProxyUPath | Path
"""Airflow's `ObjectStoragePath` is a `ProxyUPath`."""


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing."""

    name: str
    size: int
    """Length in bytes."""
    changed: float
    """When it was last written or put in its place, in seconds since 1970; no program can set it at will."""
    tag: str = ""
    """The store's own mark of the content (ETag), if it has one."""

    @property
    def fingerprint(self) -> str:
        """A text that differs when the object was replaced."""
        return f"{self.size}-{self.changed:.6f}{self.tag and '-'}{self.tag}"


@dataclass(frozen=True)
class Tagged:
    """The content of an object, with the tag that `compare_and_swap` expects."""

    data: bytes
    tag: str
    """Differs when the content does."""


@dataclass(frozen=True)
class Store:
    """A folder of the platform's storage, for our own code and for libraries that bring their own access to it."""

    path: StoragePath
    url: str
    options: dict[str, str] = field(default_factory=dict, repr=False)
    """Credentials for `url`, as `deltalake` takes them."""

    def below(self, name: str) -> "Store":
        """Return the folder *name* in this one."""
        return Store(self.path / name, f"{self.url}/{name}", self.options)
