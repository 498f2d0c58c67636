"""Objects in storage: written whole or not at all, listed with what tells a changed one, read with their checksum.

A path is a `upath.UPath` (Airflow's `ObjectStoragePath` is one) or a `pathlib.Path`; local files and S3 objects behave
alike.
"""

import hashlib
import json
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Any

from upath import UPath
from upath.extensions import ProxyUPath

from include.core.errors import DamagedObjectError

StoragePath = UPath | ProxyUPath | Path


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
        _write_remote(path, data, exclusive)


def _write_local(target: Path, data: bytes, exclusive: bool) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # not to be taken for a target that exists
        raise NotADirectoryError(f"{target.parent} is not a folder") from error
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
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a local folder survive a crash of the machine, as `fsync` has the content of a file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_remote(target: Any, data: bytes, exclusive: bool) -> None:
    target.fs.pipe_file(target.path, data, mode="create" if exclusive else "overwrite")


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
    # not UPath.read_bytes: in S3 it cuts an object at the length that an earlier listing said
    data = local_path(path).read_bytes() if is_local(path) else _remote_bytes(path)
    if sha256 and (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise DamagedObjectError(f"{path} is damaged: sha256 is {found}, {sha256} was written")
    return data


def _remote_bytes(path: Any) -> bytes:
    # one request: for several at once s3fs would ask its listings, which may be old, whether and how large it is
    return path.fs.cat_file(path.path, max_concurrency=1)


def list_objects(folder: StoragePath) -> dict[str, StoredObject]:
    """
    List the objects directly below *folder*, without folders and without names that begin with `.` or `_`.

    Returns:
        Name → object, in the order of names; empty when there is no such folder.
    """
    found = _list_local(local_path(folder)) if is_local(folder) else _list_remote(folder)
    return {each.name: each for each in sorted(found, key=lambda each: each.name) if each.name[0] not in "._"}


def walk_objects(folder: StoragePath) -> dict[str, StoredObject]:
    """
    List all objects below *folder* at any depth, whatever their names; links to folders are not followed.

    Returns:
        Name below *folder*, parts joined by `/` → object, in the order of names; empty when there is no such folder.
    """
    found = _list_local(local_path(folder), deep=True) if is_local(folder) else _list_remote(folder, deep=True)
    return {each.name: each for each in sorted(found, key=lambda each: each.name)}


def _list_local(folder: Path, above: str = "", deep: bool = False) -> list[StoredObject]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if deep and entry.is_dir(follow_symlinks=False):
                        found += _list_local(Path(entry.path), f"{above}{entry.name}/", deep)
                    elif entry.is_file():
                        stat = entry.stat()
                        # not mtime: a copy may bring one of long ago, or of a clock that is ahead
                        found.append(StoredObject(above + entry.name, stat.st_size, stat.st_ctime))
                except FileNotFoundError:  # gone since the folder was read
                    continue
    except FileNotFoundError:
        return []
    return found


def _list_remote(folder: Any, deep: bool = False) -> list[StoredObject]:
    inside = f"{folder.path.rstrip('/')}/"
    try:
        if deep:
            entries = folder.fs.find(folder.path, detail=True).values()  # asks the store each time, unlike `ls`
        else:
            entries = folder.fs.ls(folder.path, detail=True, refresh=True)
    except FileNotFoundError as error:
        _raise_if_no_bucket(error)
        return []
    # an object with the folder's own name is listed too, and one with a slash after it, a "folder" of the S3 console
    names = ((entry["name"].removeprefix(inside), entry) for entry in entries if entry["name"].startswith(inside))
    files = ((name, entry) for name, entry in names if entry["type"] == "file")
    return [_remote_object(name, entry) for name, entry in files if name and not name.endswith("/")]


def _remote_object(name: str, entry: dict[str, Any]) -> StoredObject:
    return StoredObject(name, entry["size"], entry["LastModified"].timestamp(), entry["ETag"].strip('"'))


def find_object(path: StoragePath) -> StoredObject | None:
    """Look at one object; `None` when there is none, or a folder."""
    try:
        if is_local(path):
            stat = local_path(path).stat()
            return StoredObject(path.name, stat.st_size, stat.st_ctime) if S_ISREG(stat.st_mode) else None
        return _find_remote(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        _raise_if_no_bucket(error)
        return None


def _find_remote(path: Any) -> StoredObject | None:
    entry = path.fs.info(path.path, refresh=True)
    return _remote_object(path.name, entry) if entry["type"] == "file" else None


def _raise_if_no_bucket(error: OSError) -> None:
    reply = getattr(error.__cause__, "response", {})
    if reply.get("Error", {}).get("Code") == "NoSuchBucket":
        raise error  # an empty folder is normal, a bucket that is not there never is


@dataclass(frozen=True)
class Store:
    """A folder of the platform's storage, for our own code and for libraries that bring their own access to it."""

    path: StoragePath
    url: str
    options: dict[str, str] = field(default_factory=dict, repr=False)
    """Credentials for `url`, as `deltalake` takes them."""

    def below(self, name: str) -> "Store":
        """Give the folder *name* in this one."""
        return Store(self.path / name, f"{self.url}/{name}", self.options)


def is_settled(path: StoragePath, stored: StoredObject, now: float, seconds: float) -> bool:
    """
    Tell whether an object is complete, as far as one can see from outside.

    A local file whose last byte is not a newline may still be being written: it is complete once it has not changed
    for *seconds*. An object in S3 is complete from the moment it is seen.

    Args:
        path: the object.
        stored: what a listing said about it.
        now: the time in seconds since 1970.
        seconds: how long the object has to stay unchanged, 0 or more; 0: every object is complete.
    """
    if seconds <= 0 or now - stored.changed >= seconds or not is_local(path):
        return True
    try:
        with local_path(path).open("rb", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size != stored.size or size == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except OSError:  # gone, or not for us to read: time decides
        return False
