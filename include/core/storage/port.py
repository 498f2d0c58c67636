"""The functions of the storage. Whether a path is local or in S3 is decided in `native`, and nowhere else."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, TypeVar

from include.core.errors import DamagedObjectError
from include.core.storage import local, s3
from include.core.storage.objects import StoragePath, StoredObject, Tagged
from include.core.web import Trouble

T = TypeVar("T")


def _reach(path: StoragePath) -> tuple[Any, Any]:
    """Return the module that reaches *path*, and the path as that takes it."""
    there = native(path)
    return (local if isinstance(there, Path) else s3), there


def native(path: StoragePath) -> StoragePath:
    """Return a local path as `pathlib.Path`, which joins names forty times as fast; any other as it is."""
    if isinstance(path, Path) or path.protocol not in ("", "file", "local"):
        return path
    return Path(path.path)


def needs_credentials(url: str) -> bool:
    """Return whether *url* is in an object store, which a local folder is not."""
    return url.startswith("s3://")


def hadoop_uri(path: StoragePath) -> str:
    """Return *path* as Hadoop writes it."""
    store, there = _reach(path)
    return store.hadoop_uri(there)


def read_bytes(path: StoragePath, sha256: str | None = None) -> bytes:
    """
    Read the whole object.

    Args:
        path: the object.
        sha256: the checksum that it must have, as 64 hexadecimal digits; `None`: not checked.

    Raises:
        FileNotFoundError: there is no such object.
        DamagedObjectError: the checksum differs.
    """
    store, there = _reach(path)
    data = store.read(there)
    if sha256 and (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise DamagedObjectError(f"{path} is damaged: sha256 is {found}, {sha256} was written")
    return data


def read_json(path: StoragePath) -> Any:
    """
    Read JSON from *path*.

    Returns:
        The content; `None` when there is no such object.

    Raises:
        DamagedObjectError: the object is not JSON.
    """
    try:
        return parse_json(path, read_bytes(path))
    except FileNotFoundError:
        return None


def read_as(path: StoragePath, build: Callable[[Any], T]) -> T | None:
    """
    Read JSON from *path* and return what *build* makes of it; `None` when there is no such object.

    Raises:
        DamagedObjectError: the object is not JSON, or has another form than *build* expects.
    """
    found = read_json(path)
    if found is None:
        return None
    try:
        return build(found)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise DamagedObjectError(f"{path} has another form than was written: {error!r}") from error


def parse_json(path: StoragePath, data: bytes) -> Any:
    """Return the content of *data*, which was read from *path*; raises `DamagedObjectError` if it is not JSON."""
    try:
        return json.loads(data)
    except ValueError as error:
        raise DamagedObjectError(f"{path} is not JSON: {error}") from error


def open_read(path: StoragePath, read_ahead_bytes: int = 0) -> tuple[IO[bytes], int]:
    """
    Open an object for reading; one that is replaced meanwhile is not mixed with its successor.

    Args:
        path: the object.
        read_ahead_bytes: what is fetched from S3 beyond each read; 0 suits readers of large blocks.

    Returns:
        The file, and its length in bytes.

    Raises:
        FileNotFoundError: there is no such object.
    """
    store, there = _reach(path)
    return store.open_read(there, read_ahead_bytes)


def local_copy(path: StoragePath, folder: Path) -> Path:
    """Return a local file with the content of an object: the object itself, or a copy in the local *folder*."""
    store, there = _reach(path)
    return store.local_copy(there, folder)


def write_whole(path: StoragePath, data: bytes, *, exclusive: bool = False) -> None:
    """
    Write *data* to *path*, durably, so that a reader sees all of it or nothing.

    On a file system without hard links, exclusive writes exclude only each other: a file that another program creates
    under the same name in that instant is replaced.

    Args:
        path: the object; missing folders are made.
        data: the whole content.
        exclusive: refuse to replace an object that exists.

    Raises:
        FileExistsError: `exclusive` is set and the object exists.
    """
    store, there = _reach(path)
    store.write(there, data, exclusive)


def write_json(path: StoragePath, content: Any, *, exclusive: bool = False) -> None:
    """Write *content* as JSON to *path*, whole or not at all; see `write_whole`."""
    write_whole(path, as_json(content), exclusive=exclusive)


def as_json(content: Any) -> bytes:
    """Return *content* as `write_json` writes it."""
    # a name that is not UTF-8 becomes JSON's own escape of it
    return json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace")


def write_stream(path: StoragePath, aside: StoragePath) -> AbstractContextManager[IO[bytes]]:
    """
    Open a file that takes the place of *path* at the end of the block, durably, or leaves no trace after an error.

    Args:
        path: the object; until the end it stays as it was.
        aside: local name of the file while it is written, to which an ending is added; on the same file system. S3
            needs no such name.

    Raises:
        FileNotFoundError: at the end, when `remove_asides` was called meanwhile.
    """
    store, there = _reach(path)
    return store.write_stream(there, native(aside))


def remove_asides(aside: StoragePath) -> list[str]:
    """Remove what a killed `write_stream` left at *aside*, and return its paths; one that is under way fails then."""
    store, there = _reach(aside)
    return store.remove_asides(there)


def create_stream(path: StoragePath) -> AbstractContextManager[IO[bytes]]:
    """
    Open a new file for writing, durable at the end of the block. Readers need another sign that it is complete.

    Raises:
        FileExistsError: the local file exists.
    """
    store, there = _reach(path)
    return store.create_stream(there)


def read_tagged(path: StoragePath) -> Tagged | None:
    """Read the whole object with its tag; `None` when there is no such object."""
    store, there = _reach(path)
    return store.read_tagged(there)


def compare_and_swap(path: StoragePath, data: bytes, tag: str | None) -> bool:
    """
    Replace an object that nobody has changed since it was read.

    Local changes are made one at a time, under a lock of the folder. S3 needs conditional writes; a store that ignores
    their conditions accepts every change.

    Args:
        path: the object.
        data: its new content.
        tag: that of the content that was read; `None`: there was no such object.

    Returns:
        Whether it was replaced; `False`: somebody else was faster.
    """
    store, there = _reach(path)
    return store.compare_and_swap(there, data, tag)


def remove_object(path: StoragePath) -> None:
    """Remove an object, durably; nothing happens when there is none."""
    store, there = _reach(path)
    store.remove_object(there)


def compare_and_delete(path: StoragePath, tag: str) -> bool:
    """Remove an object that nobody has changed since it was read; see `compare_and_swap`."""
    store, there = _reach(path)
    return store.compare_and_delete(there, tag)


def list_objects(folder: StoragePath) -> dict[str, StoredObject]:
    """
    List the objects directly below *folder*, without folders and without names that begin with `.` or `_`.

    A local link that cannot be followed, as one in a loop, is listed; reading it fails. One to nothing is not.

    Returns:
        Name → object, in the order of names; empty when there is no such folder.
    """
    store, there = _reach(folder)
    found = store.list_objects(there, deep=False)
    return {each.name: each for each in sorted(found, key=lambda each: each.name) if each.name[0] not in "._"}


def walk_objects(folder: StoragePath) -> dict[str, StoredObject]:
    """
    List all objects below *folder* at any depth, whatever their names; links to folders are not followed.

    Returns:
        Name below *folder*, parts joined by `/` → object, in the order of names; empty when there is no such folder.
    """
    store, there = _reach(folder)
    found = store.list_objects(there, deep=True)
    return {each.name: each for each in sorted(found, key=lambda each: each.name)}


def find_object(path: StoragePath) -> StoredObject | None:
    """Return one object as a listing describes it; `None` when there is none, or a folder."""
    store, there = _reach(path)
    return store.find_object(there)


def is_settled(path: StoragePath, stored: StoredObject, now: float, seconds: float) -> bool:
    """
    Return whether an object is complete, as far as one can see from outside.

    A local file whose last byte is not a newline may still be being written: it is complete once it has not changed
    for *seconds*. An object in S3 is complete from the moment it is seen.

    Args:
        path: the object.
        stored: what a listing said about it.
        now: the time in seconds since 1970.
        seconds: how long the object has to stay unchanged, 0 or more; 0: every object is complete.
    """
    if seconds <= 0 or now - stored.changed >= seconds:
        return True
    store, there = _reach(path)
    return store.is_settled(there, stored)


def remove_folder(folder: StoragePath) -> None:
    """Remove a folder with all that is in it; nothing happens when there is none."""
    store, there = _reach(folder)
    store.remove_folder(there)


def prune(folder: StoragePath, path: StoragePath) -> None:
    """Remove the local folders between *folder* and a removed object that are empty now."""
    store, there = _reach(path)
    store.prune(native(folder), there)


def is_behind_link(root: StoragePath, path: StoragePath) -> bool:
    """Return whether *path*, below *root*, is a link or lies behind one; an object store has none."""
    store, there = _reach(path)
    return store.is_behind_link(native(root), there)


def has_hard_links(folder: StoragePath) -> bool:
    """Return whether a library that commits by hard links can do so in *folder*; an object store needs none."""
    store, there = _reach(folder)
    return store.has_hard_links(there)


def classify_error(path: StoragePath, error: Exception) -> Trouble | None:
    """Return what an error of reading *path* means; `None`: it does not come from the storage."""
    store, _ = _reach(path)
    return store.classify_error(error)
