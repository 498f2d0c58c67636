"""Objects in S3, behind the functions of `port`; `local` has the same functions."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from include.core.storage.objects import StoredObject, Tagged
from include.core.web import Trouble, classify_status

PART_BYTES = 16 << 20
"""Size of the parts of an upload; S3 takes 10,000 of them."""
PRECONDITION_FAILED = 412
CONFLICT = 409
"""Answer to a conditional write while another one of the same object is under way."""
CONFLICTS = (404, CONFLICT, PRECONDITION_FAILED)
"""Answers to a conditional write when somebody else was faster."""


def read(path: Any) -> bytes:
    # not UPath.read_bytes, which cuts an object at the length that an earlier listing gave;
    # one request: for several at once s3fs would trust its listings, which may be old, for existence and length
    return path.fs.cat_file(path.path, max_concurrency=1)


def open_read(path: Any, read_ahead_bytes: int) -> tuple[IO[bytes], int]:
    path.fs.invalidate_cache(path.path)  # the length of an earlier listing may be another
    cache = {"block_size": read_ahead_bytes} if read_ahead_bytes else {"cache_type": "none"}
    file = path.fs.open(path.path, "rb", **cache)
    return file, file.size


def write(path: Any, data: bytes, exclusive: bool) -> None:
    try:
        path.fs.pipe_file(path.path, data, mode="create" if exclusive else "overwrite")
    except OSError as error:
        if exclusive and _answer(error)[0] == PRECONDITION_FAILED:  # s3fs knows only Amazon's form of it
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        raise


@contextmanager
def write_stream(path: Any, aside: Any) -> Iterator[IO[bytes]]:
    file = path.fs.open(path.path, "wb", block_size=PART_BYTES, autocommit=False)
    try:
        yield file
        file.close()
        file.commit()
    except BaseException:
        file.closed = True  # or it would be finished when it is forgotten
        with suppress(Exception):  # the store removes parts by its own rules
            file.discard()
        raise


def create_stream(path: Any) -> Any:
    return write_stream(path, path)


def remove_asides(aside: Any) -> list[str]:
    return []  # parts of an upload have no name


def read_tagged(path: Any) -> Tagged | None:
    stored = find_object(path)  # before the content: a change between the two is noticed
    if stored is None:
        return None
    try:
        return Tagged(read(path), stored.tag)
    except FileNotFoundError:
        return None


def compare_and_swap(path: Any, data: bytes, tag: str | None) -> bool:
    try:
        if tag is None:
            write(path, data, exclusive=True)
        else:
            path.fs.pipe_file(path.path, data, IfMatch=f'"{tag}"')
    except FileExistsError:
        return False
    except OSError as error:
        return _conflicts(error)
    return True


def remove_object(path: Any) -> None:
    path.unlink(missing_ok=True)


def compare_and_delete(path: Any, tag: str) -> bool:
    bucket, key, _ = path.fs.split_path(path.path)
    try:
        path.fs.call_s3("delete_object", Bucket=bucket, Key=key, IfMatch=f'"{tag}"')
    except OSError as error:
        return _conflicts(error)
    return True


def _conflicts(error: OSError) -> bool:
    """Return `False` after an answer that somebody else was faster; any other error is raised."""
    if _answer(error)[0] not in CONFLICTS:
        raise error
    return False


def list_objects(folder: Any, deep: bool) -> list[StoredObject]:
    inside = f"{folder.path.rstrip('/')}/"
    try:
        if deep:
            entries = folder.fs.find(folder.path, detail=True).values()  # asks the store each time, unlike `ls`
        else:
            entries = folder.fs.ls(folder.path, detail=True, refresh=True)
    except FileNotFoundError as error:
        _raise_without_bucket(error)
        return []
    # an object with the folder's own name is listed too, and one with a slash after it, a "folder" of the S3 console
    names = ((entry["name"].removeprefix(inside), entry) for entry in entries if entry["name"].startswith(inside))
    files = ((name, entry) for name, entry in names if entry["type"] == "file")
    return [_object(name, entry) for name, entry in files if name and not name.endswith("/")]


def find_object(path: Any) -> StoredObject | None:
    try:
        entry = path.fs.info(path.path, refresh=True)
    except FileNotFoundError as error:
        _raise_without_bucket(error)
        return None
    return _object(path.name, entry) if entry["type"] == "file" else None


def is_settled(path: Any, stored: StoredObject) -> bool:
    return True  # an object is complete from the moment it is seen


def remove_folder(folder: Any) -> None:
    for each in list_objects(folder, deep=True):
        (folder / each.name).unlink(missing_ok=True)


def prune(folder: Any, path: Any) -> None:
    pass  # there are no folders


def is_behind_link(root: Any, path: Any) -> bool:
    return False  # there are no links


def local_copy(path: Any, folder: Path) -> Path:
    target = folder / path.name
    path.fs.get_file(path.path, str(target))
    return target


def hadoop_uri(path: Any) -> str:
    return f"s3a://{path.path}"


def has_hard_links(folder: Any) -> bool:
    return True  # none are needed: there are conditional writes


def classify_error(error: Exception) -> Trouble | None:
    from botocore.exceptions import BotoCoreError
    from botocore.exceptions import ConnectionError as StoreConnectionError
    from s3fs.core import S3_RETRYABLE_ERRORS
    from s3fs.utils import FileExpired

    status, code = _answer(error)
    if code == "NoSuchBucket":
        return Trouble.PERMANENT
    transient = (TimeoutError, ConnectionError, StoreConnectionError, FileExpired, *S3_RETRYABLE_ERRORS)
    if isinstance(error, transient):
        return Trouble.TRANSIENT
    if status == CONFLICT:
        return Trouble.TRANSIENT
    if status is not None:
        return classify_status(status)
    if isinstance(error, FileNotFoundError):
        return Trouble.MISSING
    return Trouble.PERMANENT if isinstance(error, OSError | BotoCoreError) else None


def _answer(error: BaseException) -> tuple[int | None, str]:
    """Return status and code of the answer that an error was made of; `None` and empty if it was made of none."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(reply := getattr(seen, "response", None), dict):
            return reply.get("ResponseMetadata", {}).get("HTTPStatusCode"), reply.get("Error", {}).get("Code", "")
        seen = seen.__cause__ or seen.__context__
    return None, ""


def _raise_without_bucket(error: OSError) -> None:
    if _answer(error)[1] == "NoSuchBucket":
        raise error  # an empty folder is normal, a bucket that does not exist never is


def _object(name: str, entry: dict[str, Any]) -> StoredObject:
    return StoredObject(name, entry["size"], entry["LastModified"].timestamp(), entry["ETag"].strip('"'))
