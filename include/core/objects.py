"""Objects in storage: written whole or not at all, listed with what tells a changed one, read with their checksum.

A path is a `upath.UPath` (Airflow's `ObjectStoragePath` is one) or a `pathlib.Path`. Local files and S3 objects behave alike.
"""

import hashlib
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upath import UPath

from include.core.errors import DamagedObjectError

StoragePath = UPath | Path


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing."""

    name: str
    size: int
    """Length in bytes."""
    changed: float
    """When it was last written or put in its place, in seconds since 1970."""

    @property
    def fingerprint(self) -> str:
        """A text that differs when the object was replaced."""
        return f"{self.size}-{self.changed:.6f}"


def is_local(path: StoragePath) -> bool:
    """Tell whether *path* lies in the local file system."""
    return getattr(path, "protocol", "file") in ("", "file", "local")


def local_path(path: StoragePath) -> Path:
    """Give a local path as `pathlib.Path`."""
    return path if isinstance(path, Path) else Path(path.path)


def write_whole(path: StoragePath, data: bytes, *, exclusive: bool = False) -> None:
    """
    Put *data* at *path*, durably, so that a reader sees all of it or nothing.

    Args:
        path: where; missing folders are made.
        data: the whole content.
        exclusive: refuse to replace an object that is there.

    Raises:
        FileExistsError: `exclusive` is set and the object exists.
    """
    if is_local(path):
        _write_local(local_path(path), data, exclusive)
    else:
        path.fs.pipe_file(path.path, data, mode="create" if exclusive else "overwrite")  # pyright: ignore[reportAttributeAccessIssue]


def _write_local(target: Path, data: bytes, exclusive: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex}")
    try:
        with aside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if exclusive:
            os.link(aside, target)  # unlike a rename, fails when the target exists
        else:
            aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: StoragePath, content: Any, *, exclusive: bool = False) -> None:
    """Put *content* as JSON at *path*, whole or not at all; see `write_whole`."""
    write_whole(path, json.dumps(content, ensure_ascii=False, indent=1).encode(), exclusive=exclusive)


def read_json(path: StoragePath) -> Any:
    """
    Read JSON from *path*.

    Returns:
        The content; `None` when there is no such object.

    Raises:
        DamagedObjectError: the object is not JSON.
    """
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        return None
    try:
        return json.loads(data)
    except ValueError as error:
        raise DamagedObjectError(f"{path} is not JSON: {error}") from error


def read_bytes(path: StoragePath, sha256: str | None = None) -> bytes:
    """
    Read the whole object.

    Args:
        path: the object.
        sha256: what its checksum has to be, as 64 hexadecimal digits; `None`: not checked.

    Raises:
        FileNotFoundError: there is no such object.
        DamagedObjectError: the checksum differs.
    """
    data = path.read_bytes()
    if sha256 and (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise DamagedObjectError(f"{path} is damaged: sha256 is {found}, {sha256} was written")
    return data


def list_objects(folder: StoragePath) -> dict[str, StoredObject]:
    """
    List the objects directly below *folder*, without folders and without names that begin with `.` or `_`.

    Returns:
        Name → object, in the order of names; empty when there is no such folder.
    """
    found = _list_local(local_path(folder)) if is_local(folder) else _list_remote(folder)
    return {each.name: each for each in sorted(found, key=lambda each: each.name) if each.name[0] not in "._"}


def _list_local(folder: Path) -> list[StoredObject]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if entry.is_file():
                        stat = entry.stat()
                        # a renamed file keeps its mtime; its ctime says when it came here
                        found.append(StoredObject(entry.name, stat.st_size, max(stat.st_mtime, stat.st_ctime)))
                except FileNotFoundError:  # gone since the folder was read
                    continue
    except FileNotFoundError:
        return []
    return found


def _list_remote(folder: Any) -> list[StoredObject]:
    try:
        entries = folder.fs.ls(folder.path, detail=True, refresh=True)
    except FileNotFoundError:
        return []
    return [
        StoredObject(entry["name"].rsplit("/", 1)[-1], entry["size"], entry["LastModified"].timestamp())
        for entry in entries
        if entry["type"] == "file" and not entry["name"].endswith("/")
    ]
